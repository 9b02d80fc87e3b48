import t from 'tap'
import { readConnectionError } from '../../src/http/connection-error.ts'

t.test('a code is a text: DOMException has a number there', (t) => {
  const thrown = new TypeError('fetch failed', { cause: new DOMException('late', 'TimeoutError') })
  t.same(readConnectionError(thrown), { code: undefined, message: 'late' })
  t.end()
})
