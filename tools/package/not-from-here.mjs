#!/usr/bin/env node
process.stderr.write(
  'Publish the tarball that "npm run package" writes: this checkout names a path of its own (file:vendor/jwk-to-pem), ' +
  'which means nothing to a consumer.\n'
)
process.exitCode = 1
