const TOKEN_REQUEST_FAILED =
  'the token request of the caller failed, or the caller reads another member of the token response than access_token'
const SEND_ACCESS_TOKEN = 'The caller must send the access_token of the token response.'

/** What callers send in place of an access token, in the order of the checks. None of the sentences repeats what was sent. */
const MISTAKES: ReadonlyArray<readonly [pattern: RegExp, sentence: string]> = [
  [/^$/, `Nothing follows the word Bearer: ${TOKEN_REQUEST_FAILED}, or the variable with the token is empty.`],
  [
    /^(?:undefined|null|none|nil|nan|false|true|0)$/i,
    `A word such as undefined or null was sent in place of a token: ${TOKEN_REQUEST_FAILED}.`
  ],
  [
    /^\[object |^(?:async )?function\b|^<(?:coroutine|function|bound method) /,
    `An object was converted to text and sent in place of a token: ${TOKEN_REQUEST_FAILED}, or does not wait for the response (await).`
  ],
  [/^\{\{|^\$|^<|^%\w+%$/, 'A placeholder was sent in place of a token: the variable of the caller was not replaced.'],
  [/^\{/, `The whole token response was sent in place of the token in it. ${SEND_ACCESS_TOKEN}`],
  [/^["'`]|["'`]$/, 'The token is in quotes. The caller must send it without them.'],
  [/^access_token=/, 'The token follows "access_token=". The caller must send the token alone.'],
  [/,/, 'A comma is in the credentials: a gateway or a library joined two Authorization headers.'],
  [/\t/, 'A tab is in the credentials. Between Bearer and the token there must be spaces.'],
  [/[ \n\r]/, 'More than one word follows Bearer: the token contains a space, or a line break that became one.'],
  [/%[0-9a-f]{2}/i, 'The token is percent-encoded. The caller must send it as the token response contains it.'],
  [/…|\.\.\.$/, 'The token was shortened for display. The caller must send all of it.']
]

/**
 * The mistake that a text which cannot be an access token shows: a sentence for the operator, or undefined. `sent` is what follows the
 * scheme; it can be a secret, and nothing of it is in the sentence. `scheme`: the one before it, where that is known.
 */
export function mistakenToken (sent: string, scheme?: 'Bearer' | 'DPoP'): string | undefined {
  const known = secondScheme(sent, scheme) ?? MISTAKES.find(([pattern]) => pattern.test(sent))?.[1].replace('Bearer', scheme ?? 'Bearer')
  if (known !== undefined) return known
  if (isBasicCredentials(sent)) {
    return 'Client id and secret, encoded as for Basic authentication, were sent in place of a token. ' +
      `They are for the token endpoint of the issuer. ${SEND_ACCESS_TOKEN}`
  }
  return /^[\w+/~-]{4,128}=*$/.test(sent)
    ? `It is too short for a JWT and has no dots: a client secret, a session id or an opaque token. ${SEND_ACCESS_TOKEN}`
    : undefined
}

function secondScheme (sent: string, scheme: 'Bearer' | 'DPoP' | undefined): string | undefined {
  const word = /^(?:bearer|dpop)(?=[\s:]|$)/i.exec(sent)?.[0].toLowerCase()
  if (word === undefined) return undefined
  const second = word === 'dpop' ? 'DPoP' : 'Bearer'
  return second === (scheme ?? second)
    ? `The word ${second} is there twice: the HTTP library of the caller adds it, or the variable with the token contains it.`
    : `Two schemes are in the header, ${String(scheme)} and ${second}: the HTTP library of the caller adds one, and the variable ` +
      'with the token contains the other.'
}

function isBasicCredentials (sent: string): boolean {
  return /^[A-Za-z0-9+/]{8,400}=*$/.test(sent) &&
    /^[\x21-\x39\x3B-\x7E]+:[\x20-\x7E]+$/.test(Buffer.from(sent, 'base64').toString('latin1'))
}
