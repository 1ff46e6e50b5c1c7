// What a program does: threads, processes, files, much input; how it ends badly; what it looks for.
import java.io.IOException;
import java.net.DatagramSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

public class Works {
    static void works() throws Exception {
        var pool = Executors.newFixedThreadPool(5);
        var results = new ArrayList<Future<Integer>>();
        for (int i = 0; i < 5; i++) {
            int n = i;
            results.add(pool.submit(() -> n));
        }
        int sum = 0;
        for (var r : results) sum += r.get();
        pool.shutdown();
        System.out.println("threads " + sum);
        var echo = new ProcessBuilder("echo", "hello").start();
        System.out.print("process " + new String(echo.getInputStream().readAllBytes()));
        var file = Files.createTempFile("works", null);
        Files.writeString(file, "kept");
        System.out.println("file " + Files.readString(file));
        Files.delete(file);
        System.out.println("stdin " + System.in.transferTo(java.io.OutputStream.nullOutputStream()));
    }

    static void looks() {
        try (var socket = new DatagramSocket()) {
            System.out.println("socket ok");
        } catch (IOException e) {
            System.out.println("socket refused");
        }
        System.out.println("shadow " + Files.exists(Path.of("/etc/shadow")));
        System.out.println("processes " + ProcessHandle.allProcesses().count());
    }

    static void crash() throws Exception {
        var field = sun.misc.Unsafe.class.getDeclaredField("theUnsafe");
        field.setAccessible(true);
        ((sun.misc.Unsafe) field.get(null)).putAddress(0, 0);
    }

    public static void main(String[] args) throws Exception {
        switch (args[0]) {
            case "works" -> works();
            case "looks" -> looks();
            default -> crash();
        }
    }
}
