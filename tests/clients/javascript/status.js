// Prints the status of each task named as an argument.

const axios = require('axios');
const { url, headers } = require('./gateway');

async function showStatus(taskId) {
  try {
    const { data: task } = await axios.get(`${url}/${taskId}`, { headers });
    console.log('status:', task.status);
    if (task.status === 'TASK_STATUS_COMPLETED') console.log('result:', task.result);
    if (task.status === 'TASK_STATUS_FAILED') console.log('error:', task.error);
  } catch (error) {
    if (error.response?.status !== 404) throw error;
    console.log('no such task');
  }
}

async function main() {
  for (const taskId of process.argv.slice(2)) await showStatus(taskId);
}

main();
