import { connect } from 'node:net'

/** A busy machine takes long for the first byte. */
const FIRST_BYTE_MS = 20_000

/** What a raw socket gets back for raw text; ends when the server closes, or stays silent for `waitMs` after it has begun. */
export async function raw ({ url }: { readonly url: string }, text: string, waitMs = 400): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    let response = ''
    const socket = connect(Number(port), hostname, () => socket.write(text, 'latin1'))
    let timer = setTimeout(() => socket.destroy(), FIRST_BYTE_MS)
    socket.on('data', (chunk) => {
      response += chunk.toString('latin1')
      clearTimeout(timer)
      timer = setTimeout(() => socket.destroy(), waitMs)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(response)
    })
  })
}

export const statusOf = (response: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(response)?.[1] ?? 0)
export const headersOf = (response: string): string => response.split('\r\n\r\n')[0] ?? ''
export const bodyOf = (response: string): string => response.slice(response.indexOf('\r\n\r\n') + 4)
