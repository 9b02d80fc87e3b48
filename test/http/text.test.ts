import t from 'tap'
import { decodePem, decodeText } from '../../src/http/text.ts'

t.test('a text is decoded whole or not at all', async (t) => {
  const text = 'Müller €'
  t.equal(decodeText(Buffer.from(text)), text)
  t.equal(decodeText(Buffer.from(`\ufeff${text}`)), text)
  t.equal(decodeText(Buffer.from(`\ufeff${text}`, 'utf16le')), text)
  for (const bytes of [Buffer.from(text, 'latin1'), Buffer.alloc(40, 0xff), Buffer.from('a\0b'), Buffer.from(text, 'utf16le')]) {
    t.equal(decodeText(bytes), undefined)
  }
})

t.test('a PEM may have comments in any character set: only what stands between its lines counts', async (t) => {
  const pem = 'subject=/O=Müller\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
  for (const encoding of ['utf8', 'latin1'] as const) {
    t.match(decodePem(Buffer.from(pem, encoding)), /-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n$/, encoding)
  }
  for (const bytes of [Buffer.from('Müller', 'latin1'), Buffer.from('text'), Buffer.alloc(40, 0xff)]) t.equal(decodePem(bytes), undefined)
})
