// Where the gateway is and how to be let in; shared by the clients.

const base = process.env.TASKGATE_URL || 'http://localhost:8080';

exports.url = `${base}/api/v1/tasks`;
exports.headers = { 'X-API-Key': process.env.TASKGATE_API_KEY || 'sk_test_123456' };
