import { parseArgs } from 'node:util'
import { setTimeout as pause } from 'node:timers/promises'
import { Ended, startCallers, startFlooder, startService, stopAll } from './soak/processes.mjs'
import { RotatingIssuer, OUTAGES } from './soak/issuer.mjs'
import { Samples } from './soak/samples.mjs'
import { summaryOf } from './soak/summary.mjs'

/**
 * `node bench/soak.mjs [--minutes 20]`: good, bad and flooding traffic at the service as it is run in production, a key rotation a minute,
 * outages of the issuer. Ends with 1 where a response was wrong, or heap or RSS have grown. Not a part of CI.
 */
const { values } = parseArgs({ options: { minutes: { type: 'string', default: '20' } } })
const MINUTES = Number(values.minutes)
const FLOODS = ['signatures', 'garbage', 'slow', 'key ids', 'pipelining']
/** What is compared with the end: caches are full by then, and after 20 minutes the flood before it is the same. */
const BASELINE_MINUTE = Math.min(MINUTES, FLOODS.length) - 1
/** The flood that lasts while the keys rotate: a new key is then learned within 5 s. */
const ACROSS_ROTATION = 'key ids'

/** Seconds of a minute: flood, measurement, outage (every other minute); the flood of key ids is later and lasts into the next minute. */
const FLOOD = { from: 8, to: 28 }
const MEASURE_AT = 33
const OUTAGE = { from: 36, to: 51 }
const LATE_FLOOD = { from: 53, to: 68 }
const IDLE_SECONDS = 20

const say = (text) => process.stdout.write(`${text}\n`)

async function soak () {
  const issuer = await RotatingIssuer.start()
  const service = await startService(issuer.issuer)
  const callers = startCallers()
  const flooder = startFlooder()
  const samples = new Samples({ service: service.child.pid, callers: callers.child.pid }, service.managementPort)
  try {
    await callers.ask('begin', { api: service.api, issuer: issuer.issuer, key: issuer.current })
    const beganMs = performance.now()
    const at = (minute, second) => pause(Math.max(0, beganMs + (minute * 60 + second) * 1000 - performance.now()))
    let baseline
    for (let minute = 0; minute < MINUTES; minute++) {
      const measured = await playMinute({ minute, at, issuer, service, callers, flooder, samples })
      if (minute === BASELINE_MINUTE) baseline = measured
      say(`minute ${minute + 1}: ${JSON.stringify(measured)}`)
      if (minute === MINUTES - 1) return await end({ issuer, service, callers, flooder, samples, baseline, last: measured })
    }
  } finally {
    samples.stop()
    await stopAll([service, callers, flooder])
    await issuer.stop()
  }
}

/** Rotation, flood, measurement, outage; a child that ends fails the run. */
async function playMinute ({ minute, at, issuer, service, callers, flooder, samples }) {
  const flood = FLOODS[minute % FLOODS.length]
  const isLate = flood === ACROSS_ROTATION
  await at(minute, 0)
  if (minute > 0) {
    const before = FLOODS[(minute - 1) % FLOODS.length]
    await issuer.rotate()
    callers.tell('rotated', { key: issuer.current, withdrawn: issuer.withdrawn, inFlood: before === ACROSS_ROTATION })
  }
  if (!isLate) {
    await at(minute, FLOOD.from)
    flooder.tell('begin', { api: service.api, issuer: issuer.issuer, key: issuer.current, flood, seconds: FLOOD.to - FLOOD.from })
  }
  await at(minute, MEASURE_AT)
  const measured = { flood, service: await service.ask('measure'), callers: await callers.ask('measure'), series: await samples.series() }
  if (minute % 2 === 1) {
    const outage = OUTAGES[(minute - 1) / 2 % OUTAGES.length]
    await at(minute, OUTAGE.from)
    callers.tell('outage', { isOn: true })
    await issuer.fail(outage)
    await at(minute, OUTAGE.to)
    await issuer.recover()
    callers.tell('outage', { isOn: false })
    measured.outage = outage.name
  }
  if (isLate) {
    await at(minute, LATE_FLOOD.from)
    flooder.tell('begin', { api: service.api, issuer: issuer.issuer, key: issuer.current, flood, seconds: LATE_FLOOD.to - LATE_FLOOD.from })
  }
  return measured
}

async function end ({ issuer, service, callers, flooder, samples, baseline, last }) {
  await pause(IDLE_SECONDS * 1000)
  const traffic = await callers.ask('end')
  const floods = await flooder.ask('end')
  await pause(IDLE_SECONDS * 1000)
  const idle = { service: await service.ask('measure'), callers: await callers.ask('measure') }
  samples.stop()
  const metrics = await samples.metrics()
  service.child.kill('SIGTERM')
  const code = await service.ended
  const { rotations } = issuer
  const figures = { traffic, floods, baseline, last, idle, samples: samples.rows, metrics, code }
  const { text, failures } = summaryOf({ minutes: MINUTES, rotations, ...figures })
  say(text)
  for (const failure of failures) say(`FAILED: ${failure}`)
  return failures.length === 0 ? 0 : 1
}

process.exitCode = await soak().catch((error) => {
  if (!(error instanceof Ended)) throw error
  say(`FAILED: ${error.message}`)
  return 1
})
