import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { fileProblems, readSettingFiles } from '../../src/config/setting-files.ts'
import { createCertificate } from '../support/certificate-authority.ts'

const folder = mkdtempSync(join(tmpdir(), 'scopegate-tls-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const [one, other] = [createCertificate(folder, 'localhost'), createCertificate(folder, 'other')]
const [CERT, KEY] = [readFileSync(one.certFile, 'utf8'), readFileSync(one.keyFile, 'utf8')]
const OTHER_CERT = readFileSync(other.certFile, 'utf8')
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ENCRYPTED = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }) as string
const OLD_ENCRYPTED = privateKey.export({ type: 'pkcs1', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' }) as string
const RSA = privateKey.export({ type: 'pkcs1', format: 'pem' }) as string
const half = (text: string): string => text.slice(0, text.length / 2)
const broken = (text: string): string => text.replace(/\n(.)(.{20})/, '\n*$2')

const MISMATCH = /^TLS_KEY_FILE: the private key is not that of the certificate in TLS_CERT_FILE/
const CASES: ReadonlyArray<readonly [name: string, cert: string, key: string, ...problems: readonly RegExp[]]> = [
  ['a certificate and its key', CERT, KEY],
  ['with a chain, and text around', `subject: localhost\n${CERT}\nissuer\n${OTHER_CERT}`, `Bag Attributes\n${KEY}`],
  ['both in one file', CERT + KEY, CERT + KEY],
  ['with the line ends of Windows', CERT.replace(/\n/g, '\r\n'), KEY.replace(/\n/g, '\r\n')],
  ['with the parameters of its curve', CERT, `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n${KEY}`],
  ['an old name of the block', CERT.replaceAll('CERTIFICATE', 'X509 CERTIFICATE'), KEY],
  ['the key of another certificate', OTHER_CERT, KEY, MISMATCH],
  ['a key of another type', CERT, RSA, MISMATCH],
  ['a chain in the wrong order', OTHER_CERT + CERT, KEY, MISMATCH],
  [
    'swapped', KEY, CERT,
    /^TLS_CERT_FILE: expected a certificate, and the file has none$/, /^TLS_KEY_FILE: expected a private key, and the file has none$/
  ],
  ['an encrypted key', CERT, ENCRYPTED, /^TLS_KEY_FILE: the key is encrypted, expected one without a passphrase/],
  ['an encrypted key in the old form', CERT, OLD_ENCRYPTED, /^TLS_KEY_FILE: the key is encrypted/],
  ['half of a certificate', half(CERT), KEY, /^TLS_CERT_FILE: a certificate in this file cannot be read/],
  ['half of a key', CERT, half(KEY), /^TLS_KEY_FILE: the private key in this file cannot be read/],
  ['a broken certificate', broken(CERT), KEY, /^TLS_CERT_FILE: a certificate in this file cannot be read/],
  ['a broken key', CERT, broken(KEY), /^TLS_KEY_FILE: the private key in this file cannot be read/],
  ['a broken certificate in the chain', CERT + half(OTHER_CERT), KEY, /^TLS_CERT_FILE: a certificate in this file cannot be read/],
  ['no PEM', 'certificate', '', /^TLS_CERT_FILE: expected a file in PEM$/, /^TLS_KEY_FILE: expected a file in PEM$/]
]

for (const [name, cert, key, ...expected] of CASES) {
  t.test(`certificate and key: ${name}`, async (t) => {
    const variables = { TLS_CERT_FILE: join(folder, 'cert.pem'), TLS_KEY_FILE: join(folder, 'key.pem') }
    writeFileSync(variables.TLS_CERT_FILE, cert)
    writeFileSync(variables.TLS_KEY_FILE, key)
    const problems = fileProblems(readSettingFiles(variables), variables)
    t.match(problems, expected)
    t.equal(problems.length, expected.length, problems.join('; '))
    t.notMatch(problems.join(), /error:|OpenSSL|routines|secret/)
  })
}
