// Waits for the task named as the argument to end and prints its result.

const axios = require('axios');
const { url, headers } = require('./gateway');

const PAUSE_MS = 200;

async function waitFor(taskId, timeoutMs = 30000) {
  const start = Date.now();
  for (;;) {
    const { data } = await axios.get(`${url}/${taskId}`, { headers });
    const { status, result, error } = data;
    if (status === 'TASK_STATUS_COMPLETED') return result;
    if (status === 'TASK_STATUS_FAILED') throw new Error(`failed: ${error}`);
    if (status === 'TASK_STATUS_TIMEOUT') throw new Error('timed out');
    if (Date.now() - start > timeoutMs) throw new Error(`no end within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

waitFor(process.argv[2])
  .then((result) => console.log('result:', result))
  .catch((error) => console.log('error:', error.message));
