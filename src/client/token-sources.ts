import * as events from '../events.ts'
import { untilAborted } from '../http/exchange.ts'
import { isTraced, loadTracing } from '../traces.ts'
import { ClientClosed } from './errors.ts'
import type { ClientError } from './errors.ts'
import type { ClientWarning } from './options.ts'
import type { Settings, TokenWish } from './settings.ts'
import type { TokenRequest } from './token-request.ts'
import type { IssuedToken } from './token-response.ts'
import { createTokenSource } from './token-source.ts'
import type { TokenSource } from './token-source.ts'

/** What was used least recently is forgotten: scopes may come from what an API requires. About 3 kB each, with a token of 1.5 kB. */
export const MOST_TOKENS = 100

/** The tokens of a client, one for each wish. */
export interface TokenSources {
  /** Throws {@link ClientClosed}. */
  readonly sourceFor: (wish: TokenWish) => TokenSource
  readonly warn: (scope: readonly string[], warning: ClientWarning) => void
}

/** `closing` ends what waits for the issuer. */
export function createTokenSources (request: TokenRequest, settings: Settings, closing: AbortSignal): TokenSources {
  const { clientId } = settings
  const sources = new Map<string, TokenSource>()
  let newest: { readonly name: string, readonly source: TokenSource } | undefined

  async function requestWhileOpen (wish: TokenWish): Promise<IssuedToken> {
    const { scope } = wish
    const sinceMs = performance.now()
    const publish = (outcome: string): void => {
      if (events.client.hasSubscribers) {
        events.client.publish({ event: 'token', clientId, scope, outcome, durationMs: performance.now() - sinceMs })
      }
    }
    const issued = await untilAborted(tracedRequest(wish), closing).catch((thrown: unknown) => {
      const error = closing.aborted ? new ClientClosed() : thrown
      publish((error as ClientError).code)
      throw error
    })
    publish('ok')
    if (issued.notListed.length > 0) warn(scope, scopeWarning(issued.notListed))
    return issued
  }

  async function tracedRequest (wish: TokenWish): Promise<IssuedToken> {
    const tracing = isTraced() ? await loadTracing() : undefined
    const attributes = { 'scopegate.client_id': clientId, 'scopegate.scope': wish.scope.join(' ') }
    return await (tracing?.inSpan('scopegate.request_token', { attributes, remote: true }, () => request(wish)) ?? request(wish))
  }

  function warn (scope: readonly string[], warning: ClientWarning): void {
    const { code, message } = warning
    events.client.publish({ event: 'warning', clientId, scope, code, message })
    settings.onWarning(warning)
  }

  return {
    warn,
    sourceFor (wish) {
      if (closing.aborted) throw new ClientClosed()
      const name = nameOf(wish)
      if (name === newest?.name) return newest.source
      const source = sources.get(name) ?? createTokenSource(() => requestWhileOpen(wish), settings)
      sources.delete(name)
      sources.set(name, source)
      newest = { name, source }
      const [oldest] = sources.keys()
      if (sources.size > MOST_TOKENS && oldest !== undefined) sources.delete(oldest)
      return source
    }
  }
}

/** The wish of an API is one object for all its calls. */
const names = new WeakMap<TokenWish, string>()

function nameOf (wish: TokenWish): string {
  const known = names.get(wish)
  if (known !== undefined) return known
  const name = JSON.stringify([wish.scope, wish.audience, wish.resource])
  names.set(wish, name)
  return name
}

function scopeWarning (scopes: readonly string[]): ClientWarning {
  const message = `the issuer's response does not list the requested scope ${scopes.join(' ')}; ` +
    'an API that requires it refuses the token (403): ' +
    'in Keycloak switch on "Include in token scope" for this client scope'
  return { code: 'scope_not_listed', message, scopes }
}
