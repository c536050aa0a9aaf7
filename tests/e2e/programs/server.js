// An HTTP server that uses a worker thread, a child process, a file of its own, and /dev/stdout.
const { execFileSync } = require("child_process");
const fs = require("fs");
const http = require("http");
const os = require("os");
const path = require("path");
const { Worker } = require("worker_threads");

const file = path.join(process.env.TEN_DATA_DIR, "count");

http
  .createServer((_, response) => {
    fs.appendFileSync(file, "x");
    const count = fs.readFileSync(file).length;
    const word = execFileSync("sh", ["-c", "echo from a child | tr a-z A-Z"]).toString().trim();
    const code = "require('worker_threads').parentPort.postMessage(6 * 7)";
    new Worker(code, { eval: true }).on("message", (answer) => {
      response.end(`${word} ${answer} ${count > 0} ${os.cpus().length > 0}`);
    });
  })
  .listen(process.env.PORT, "127.0.0.1", () => fs.writeFileSync("/dev/stdout", "node is ready\n"));
