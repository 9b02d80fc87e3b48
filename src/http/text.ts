/**
 * The text in a file, or on standard input, of which nothing is replaced: UTF-8 with or without a byte order mark, or UTF-16 with one, as
 * PowerShell's `>` writes it. Undefined: it is not text. UTF-16 without a byte order mark is not recognised.
 */
export function decodeText (bytes: Uint8Array): string | undefined {
  const [first, second] = bytes
  const encoding = first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes)
    return text.includes('\0') ? undefined : text
  } catch {
    return undefined
  }
}

/** The text in a file in PEM (RFC 7468), whose comments may be in any character set; undefined where it is none. */
export function decodePem (bytes: Uint8Array): string | undefined {
  const text = decodeText(bytes) ?? Buffer.from(bytes).toString('latin1')
  return text.includes('-----BEGIN ') ? text : undefined
}
