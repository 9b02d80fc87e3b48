/**
 * What the service uses of node:http. An `import` of that module reads all its exports, `WebSocket` too, and so loads Node's own undici
 * (Node 24: 25 ms and 4 MB of each start).
 */
export const { createServer, maxHeaderSize, STATUS_CODES } = process.getBuiltinModule('node:http')
