#!/usr/bin/env node
import { readSources } from '../config.ts'
import { doctor } from './doctor/doctor.ts'
import { serviceRoutes } from './doctor/service-routes.ts'

process.exitCode = await doctor({
  args: process.argv.slice(2),
  sources: readSources,
  input: process.stdin,
  out: process.stdout,
  err: process.stderr,
  ownRoutes: serviceRoutes
})
