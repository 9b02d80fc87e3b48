import { connect } from 'node:net'

/** The names and labels of all series in a text of Prometheus, sorted; those of the process, which come and go, left out. */
export function withoutValues (text: string): readonly string[] {
  return text.split('\n').filter((line) => line.startsWith('scopegate_')).map((line) => line.slice(0, line.lastIndexOf(' '))).sort()
}

/** One request in a method that `fetch` may not know; resolves when the response has ended. */
export function rawRequest (url: string, method: string, path: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    let received = ''
    const socket = connect(
      Number(port),
      hostname.replace(/[[\]]/g, ''),
      () => socket.write(`${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)
    )
    socket.on('data', (chunk: Buffer) => { received += chunk.toString() })
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
  })
}
