// What a script does: threads, processes, files, much input; how it ends badly; what it looks for.
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { execFile } = require('child_process');
const { promisify } = require('util');
const dgram = require('dgram');
const fs = require('fs');
const os = require('os');
const path = require('path');

const worker = (n) => new Promise((resolve, reject) =>
  new Worker(__filename, { workerData: n }).once('message', resolve).once('error', reject));

async function works() {
  const results = await Promise.all([0, 1, 2, 3, 4].map(worker));
  console.log('threads', results.reduce((a, b) => a + b));
  console.log('process', (await promisify(execFile)('echo', ['hello'])).stdout.trim());
  const dir = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'works-'));
  await fs.promises.writeFile(path.join(dir, 'f'), 'kept');
  console.log('file', await fs.promises.readFile(path.join(dir, 'f'), 'utf8'));
  await fs.promises.rm(dir, { recursive: true });
  let size = 0;
  for await (const block of process.stdin) size += block.length;
  console.log('stdin', size);
}

function looks() {
  const socket = dgram.createSocket('udp4');
  const said = (word) => () => {
    console.log('socket', word);
    socket.close();
    console.log('shadow', fs.existsSync('/etc/shadow'));
    console.log('processes', fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length);
  };
  socket.once('error', said('refused')).bind(0, '127.0.0.1', said('ok'));
}

if (isMainThread) ({ works, looks, crash: () => process.abort() })[process.argv[2]]();
else parentPort.postMessage(workerData);
