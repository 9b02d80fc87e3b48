import type { ReasonContext } from './context.ts'

export const SEND_DPOP = 'The caller must send "Authorization: DPoP <access token>" with a new proof in the DPoP header of each request.'
const BEARER = 'The caller must send "Authorization: Bearer <access token>"'

/** How a caller must present a token, by the schemes that the route accepts; another one would be refused again. */
export function sendToken ({ schemes = ['Bearer'] }: Pick<ReasonContext, 'schemes'>): string {
  if (!schemes.includes('DPoP')) return `${BEARER}.`
  return schemes.includes('Bearer')
    ? `${BEARER}, or with a token that is bound to a DPoP key "Authorization: DPoP <access token>" and a new proof in the DPoP header.`
    : SEND_DPOP
}
