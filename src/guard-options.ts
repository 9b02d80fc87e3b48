import type { ScopegateOptions, ServiceOptions } from '../plugins/scopegate.ts'
import { SCOPES } from '../routes/scopes.ts'
import type { Config } from './config.ts'
import type { Clock } from './oauth/clock.ts'
import type { IssuerOptions } from './options/issuer-options.ts'

/** The service's configuration as options of the plugin; its warnings are those of the configuration. */
export function guardOptions (config: Config, clock: Clock | undefined): ScopegateOptions & ServiceOptions {
  const { dpop, dpopNonceSecrets, redisUrl, clientCertificate, trustProxy, explainRefusals } = config
  const { allowInsecureHttp, useEnvProxy, challengeRealm, publicUrl, docsUrl, maxTokenBytes, developmentIssuer } = config
  return {
    issuers: config.issuers.map(issuerOptions),
    scopes: SCOPES,
    errors: 'throw',
    tokenCacheMb: config.tokenCacheBytes / 1024 / 1024,
    allowInsecureHttp, useEnvProxy, challengeRealm, publicUrl, docsUrl, maxTokenBytes, developmentIssuer,
    dpop, redisUrl, clientCertificate, trustProxy, explainRefusals, ...dpopNonceSecrets.length > 0 && { dpopNonceSecrets },
    warn: () => undefined,
    ...clock && { clock }
  }
}

function issuerOptions ({ audience, serviceClaim, keys, jwksUrl, ...settings }: Config['issuers'][number]): IssuerOptions {
  return {
    ...settings,
    audience: audience === 'any' ? '*' : audience,
    serviceClaim: serviceClaim && `${serviceClaim.name}=${serviceClaim.value}`,
    ...keys === undefined ? { jwksUrl } : { keys }
  }
}
