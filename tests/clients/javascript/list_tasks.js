// Lists running tasks, then those of the session named as the argument, then
// asks with a wrong status to see the error.

const axios = require('axios');
const { url, headers } = require('./gateway');

async function listTasks({ status, sessionId, limit, offset } = {}) {
  const params = { status, session_id: sessionId, limit: limit || 20, offset: offset || 0 };
  try {
    const { data } = await axios.get(url, { headers, params });
    console.log(`total: ${data.total_count}`);
    data.tasks.forEach((task) => console.log(`${task.task_id}: ${task.status}`));
    return data;
  } catch (error) {
    console.log('error:', JSON.stringify(error.response?.data || error.message));
    throw error;
  }
}

async function main() {
  await listTasks({ status: 'RUNNING' });
  await listTasks({ sessionId: process.argv[2], limit: 50 });
  await listTasks({ status: 'NONSENSE' }).catch(() => console.log('refused'));
}

main();
