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
  readonly thumbprint: string
}

export interface CertificateAuthority extends Issued {
  /** A new key and a certificate of this authority for it; for servers its name is `localhost`. */
  readonly issue: (name: string) => Issued
}

/** An authority of a test's own, by openssl; all its files are in `folder`. */
export function createAuthority (folder: string): CertificateAuthority {
  const own = create(folder, 'authority', [])
  return { ...own, issue: (name) => create(folder, name, ['-CA', own.certFile, '-CAkey', own.keyFile, '-addext', 'subjectAltName=DNS:localhost']) }
}

function create (folder: string, name: string, more: readonly string[]): Issued {
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-keyout', keyFile, '-out', certFile, ...more
  ], { stdio: 'ignore' })
  const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')]
  return { cert, key, certFile, keyFile, thumbprint: createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url') }
}
