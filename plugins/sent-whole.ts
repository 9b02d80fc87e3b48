import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'

/** Whether the caller has cancelled this stream of HTTP/2: such a response has the event `finish` all the same. */
export function isCancelled (response: ServerResponse | Http2ServerResponse): boolean {
  return 'stream' in response && (response.stream.aborted || response.stream.rstCode !== 0)
}

/**
 * At the `close` of a response: whether it was handed whole to the operating system. `writableFinished` alone is true, too, of one whose
 * connection was gone when the handler wrote it: that one has no `finish`, after which Node takes the connection from the response.
 */
export function isSentWhole (response: ServerResponse | Http2ServerResponse): boolean {
  if ('stream' in response) return !isCancelled(response)
  return response.writableFinished && response.socket?.destroyed !== true
}
