import type { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'

/**
 * Of a response that has ended (`finish`, `close`): whether it was handed whole to the operating system. `writableFinished` alone is true,
 * too, of one whose connection was gone when the handler wrote it; Node takes the connection from it only after `finish`. A stream of
 * HTTP/2 has `finish` also where the caller has cancelled it.
 */
export function isSentWhole (response: ServerResponse | Http2ServerResponse): boolean {
  if ('stream' in response) return !response.stream.aborted && response.stream.rstCode === 0
  return response.writableFinished && response.socket === null
}
