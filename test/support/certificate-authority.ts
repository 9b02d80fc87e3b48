import { execFileSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** PEM texts, the files that have them, and the thumbprint that a bound token contains (RFC 8705 section 3.1). */
export interface Issued {
  readonly cert: string
  readonly key: string
  readonly certFile: string
  readonly keyFile: string
  readonly der: Buffer
  readonly thumbprint: string
}

export interface CertificateAuthority extends Issued {
  /** A new key and a certificate for it that this authority signs. */
  readonly issue: (name: string) => Issued
}

/** An authority of a test's own, by openssl; all its files are in `folder`. */
export function createAuthority (folder: string): CertificateAuthority {
  const own = createCertificate(folder, 'authority')
  return { ...own, issue: (name) => createCertificate(folder, name, own) }
}

/** A new key and a certificate of `localhost` for it, with this common name; without a signer it signs itself. */
export function createCertificate (folder: string, name: string, signer?: Issued): Issued {
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', 'subjectAltName=DNS:localhost', '-keyout', keyFile, '-out', certFile,
    ...signer === undefined ? [] : ['-CA', signer.certFile, '-CAkey', signer.keyFile]
  ], { stdio: 'ignore' })
  const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')]
  const der = new X509Certificate(cert).raw
  return { cert, key, certFile, keyFile, der, thumbprint: createHash('sha256').update(der).digest('base64url') }
}
