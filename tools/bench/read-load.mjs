import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

/**
 * Asks a server for leads, over a kept connection for each caller with one request in flight, and counts the answers. A process
 * of its own, run by read.mjs: the settings come as JSON by standard input, the result goes as JSON to standard output. Any answer
 * other than a 200 with the lead that was asked for ends it with an error.
 */
const { url, callers, warmUp, seconds } = JSON.parse(readFileSync(0, 'utf8'));
const { hostname, port } = new URL(url);
const HEAD_END = Buffer.from('\r\n\r\n');
const OK = Buffer.from('HTTP/1.1 200 ');

const requestsOf = ({ token, ids }) =>
  ids.map((id) => ({
    bytes: Buffer.from(
      `GET /api/v1/leads/${id} HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${token}\r\naccept: application/json\r\n\r\n`,
    ),
    begin: Buffer.from(`{"id":${id},`),
  }));

let answers = 0;
let ended = false;

function fail(reason, bytes) {
  console.error(`${reason}: ${bytes.toString('latin1').slice(0, 1000)}`);
  process.exit(1);
}

/** How long the answer is, with its head; 0 while its head is not there. */
function lengthOf(bytes) {
  const head = bytes.indexOf(HEAD_END);
  if (head < 0) return 0;
  const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.latin1Slice(0, head));
  if (!length) fail('an answer without a length', bytes);
  return head + HEAD_END.length + Number(length[1]);
}

function drive(requests) {
  let turn = 0;
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  let asked;
  let bytes = null;
  const ask = () => {
    asked = requests[turn++ % requests.length];
    socket.write(asked.bytes);
  };
  socket.on('connect', ask);
  socket.on('error', (error) => fail('a connection failed', Buffer.from(error.message)));
  socket.on('close', () => ended || fail('the server closed a connection', Buffer.alloc(0)));
  socket.on('data', (chunk) => {
    bytes = bytes ? Buffer.concat([bytes, chunk]) : chunk;
    const length = lengthOf(bytes);
    if (length === 0 || bytes.length < length) return;
    if (bytes.length > length) fail('an answer that is too long', bytes);
    const right = bytes.subarray(0, OK.length).equals(OK) && bytes.includes(asked.begin);
    if (!right) fail('a wrong answer', bytes);
    bytes = null;
    answers++;
    ask();
  });
}

for (const caller of callers) drive(requestsOf(caller));
setTimeout(() => {
  const [began, before] = [performance.now(), answers];
  setTimeout(() => {
    ended = true;
    console.log(
      JSON.stringify({ all: answers, answers: answers - before, seconds: (performance.now() - began) / 1000 }),
    );
    process.exit(0);
  }, seconds * 1000);
}, warmUp * 1000);
