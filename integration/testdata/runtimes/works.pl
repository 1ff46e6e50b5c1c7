# What a script does: threads, processes, files, much input; how it ends badly; what it looks for.
use strict;
use warnings;
use threads;
use File::Temp;
use List::Util 'sum';
use Socket;

my %modes = (
    works => sub {
        print "threads ", sum(map { $_->join } map { my $n = $_; threads->create(sub { $n }) } 0 .. 4), "\n";
        print "process ", `echo hello`;
        my $f = File::Temp->new;
        print $f "kept";
        seek $f, 0, 0;
        print "file ", <$f>, "\n";
        my $size = 0;
        while (my $n = sysread STDIN, my $block, 1 << 20) { $size += $n }
        print "stdin $size\n";
    },
    crash => sub { kill SEGV => $$; sleep },
    looks => sub {
        print "socket ", (socket(my $s, AF_INET, SOCK_DGRAM, 0) ? "ok" : "refused"), "\n";
        print "shadow ", (-e "/etc/shadow" ? "true" : "false"), "\n";
        print "processes ", scalar(() = glob "/proc/[0-9]*"), "\n";
    },
);
$modes{$ARGV[0]}->();
