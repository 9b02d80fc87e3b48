import { DEFAULTS } from './call-settings.ts'

export const HELP = `Gets an access token with the client credentials of a client, and calls an API with it once.

Usage: npm run client [-- [options] [path or address]]
       npm run client -- --scope reports:read /api/reports
       scopegate call [options] [path or address]
       scopegate token [options]    writes the token alone, for curl -H "Authorization: Bearer $(scopegate token)"

  path or address   a path at the host of API_URL, or a whole address instead of API_URL
  --scope <words>   scopes to request, instead of SCOPE
  --no-scope        request no scope: the token has the client's default scopes only
  --verbose, -v     also report what differs from the request
  --help, -h        this text

Windows PowerShell removes the -- before the options. Set variables there, or run the program itself once it is built (npm run build:fast):
  $env:SCOPE='reports:read'; $env:API_URL='http://localhost:50100/api/reports'; npm run client
  node dist/src/cli/client.js --scope reports:read /api/reports

Settings, from the environment or from a file .env in the current folder (the environment wins; empty means not set):
  TOKEN_ENDPOINT         where tokens are requested: ${DEFAULTS.tokenEndpoint}
  ISSUER                 if TOKEN_ENDPOINT is not set: the issuer, whose discovery document names the token endpoint
  CLIENT_ID              ${DEFAULTS.clientId}
  CLIENT_SECRET          the demo client's own, unless other credentials are set
  CLIENT_SECRET_FILE     a file with the secret
  CLIENT_KEY_FILE        a file with the private key, PEM or JWK (private_key_jwt)
  CLIENT_KEY_ID          kid of the key
  CLIENT_KEY_ALGORITHM   PS256, for example; by the kind of key: RS256, ES256 or EdDSA
  CLIENT_ASSERTION_FILE  a file with an assertion that another program keeps fresh
  CLIENT_CERTIFICATE_FILE, CLIENT_CERTIFICATE_KEY_FILE   certificate and key, PEM (tls_client_auth)
  CLIENT_AUTHENTICATION  for a secret: client_secret_basic (in the header, the default) or client_secret_post (in the form)
  CLIENT_MTLS            on: this certificate is presented to the API too, beside any other credentials; \
the token may be bound to it (RFC 8705)
  CLIENT_DPOP            on: the token is bound to a new key, and each request proves that it has it (DPoP); not for scopegate token
  SCOPE                  scopes to request, separated by spaces or commas: ${DEFAULTS.scope}
  TOKEN_AUDIENCE         audience of the token request, for issuers that require it
  TOKEN_RESOURCE         resource of the token request (RFC 8707)
  STEP_UP                on: a scope that the API requires is requested in addition
  API_URL                the address to call: ${DEFAULTS.apiUrl}
  TOKEN_TIMEOUT_SECONDS  for one request to the issuer, 1 to 30: 10
  API_TIMEOUT_SECONDS    for the call of the API: 10
  CA_FILE                authorities that are trusted in addition to those of Node, PEM
  USE_ENV_PROXY          on: through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY
  ALLOW_INSECURE_HTTP    on: secret and token are also sent over plain http to other hosts than localhost

The body of the API's response goes to standard output, everything else to standard error; \
"npm run -s client" adds nothing of npm. Exit code:
  0  the API responded with success
  1  something unexpected, also any other response of the API
  2  a setting cannot be used
  3  the issuer refuses a token: client id, secret or scope
  4  the API refuses the token (401) or the client (403)
  5  the issuer or the API cannot be reached, or cannot respond now`
