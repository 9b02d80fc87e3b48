const AZP = /"azp"\s*:\s*"([^"\\]*)"/
const CLIENT_ID = /"client_id"\s*:\s*"([^"\\]*)"/

/**
 * The client that a token names, in a few microseconds: without a check of the token, nor of the text as JSON. Empty where it names
 * none in plain characters. Only for the choice of a waiting line: it proves nothing.
 */
export function unverifiedClientOf (token: string): string {
  const from = token.indexOf('.') + 1
  const claims = Buffer.from(token.slice(from, token.indexOf('.', from)), 'base64url').toString()
  return AZP.exec(claims)?.[1] ?? CLIENT_ID.exec(claims)?.[1] ?? ''
}
