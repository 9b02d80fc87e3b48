import { connect, type Socket } from 'node:net'

/** So many requests on connections of their own, sent at once: their statuses, `Retry-After` and bodies. */
export async function crowd ({ url }: { readonly url: string }, path: string, count: number): Promise<string[]> {
  const port = Number(new URL(url).port)
  const sockets = await connected(port, count)
  const responses = sockets.map((socket) => new Promise<string>((resolve, reject) => {
    let text = ''
    socket.on('data', (chunk) => { text += chunk.toString() }).on('end', () => resolve(text)).on('error', reject)
  }))
  for (const socket of sockets) socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  return await Promise.all(responses)
}

/** A server accepts one connection in a turn of its event loop: a crowd is one only when all have had a response. */
export async function connected (port: number, count: number): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(port, 'localhost'))
  await Promise.all(sockets.map((socket) => new Promise((resolve) => {
    socket.once('data', resolve)
    socket.write('GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n')
  })))
  return sockets
}
