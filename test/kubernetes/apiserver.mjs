#!/usr/bin/env node
/**
 * `npm run test:apiserver`: the overlays of deploy/kubernetes at a real kube-apiserver, with strict validation of fields and the Pod
 * security standard `restricted`. Optional, and not part of CI: it needs etcd and kube-apiserver in PATH, or at ETCD and KUBE_APISERVER
 * (docs/how-to/kubernetes.md). Every object is created, and the Pod of the Deployment too, as its controller would; nothing runs it.
 * HTTPRoute is judged where GATEWAY_API_CRD is the file of its definition (config/crd/standard of sigs.k8s.io/gateway-api).
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { isInstalled } from '../support/command.mjs'
import { createReport } from '../support/report.mjs'
import { Program, temporaryFolder, until } from '../gateway/processes.mjs'
import { freePorts } from '../support/free-ports.mjs'
import { OVERLAYS, renderer } from './render.mjs'

const [ETCD, KUBE_APISERVER] = [process.env.ETCD ?? 'etcd', process.env.KUBE_APISERVER ?? 'kube-apiserver']
const TOKEN = 'of-this-run-only'
/** Where objects of a kind are; of what is not here, Kubernetes itself knows nothing. */
const PLACES = {
  Namespace: '/api/v1/namespaces', ServiceAccount: '/api/v1/namespaces/scopegate/serviceaccounts',
  ConfigMap: '/api/v1/namespaces/scopegate/configmaps',
  Service: '/api/v1/namespaces/scopegate/services', Deployment: '/apis/apps/v1/namespaces/scopegate/deployments',
  PodDisruptionBudget: '/apis/policy/v1/namespaces/scopegate/poddisruptionbudgets',
  NetworkPolicy: '/apis/networking.k8s.io/v1/namespaces/scopegate/networkpolicies',
  Ingress: '/apis/networking.k8s.io/v1/namespaces/scopegate/ingresses',
  HorizontalPodAutoscaler: '/apis/autoscaling/v2/namespaces/scopegate/horizontalpodautoscalers'
}
const PODS = '/api/v1/namespaces/scopegate/pods'

const report = createReport()
const { check, say } = report

/** etcd and the API server on loopback addresses, both with nothing in them. */
async function startServer (folder) {
  const [client, peer, port] = await freePorts(3)
  const [store, own] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`]
  const key = join(folder, 'service-accounts.pem')
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  await writeFile(key, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(join(folder, 'tokens.csv'), `${TOKEN},admin,admin,system:masters\n`)
  const etcd = new Program([ETCD, '--data-dir', join(folder, 'etcd'), '--listen-client-urls', store, '--advertise-client-urls', store,
    '--listen-peer-urls', own, '--initial-advertise-peer-urls', own, '--initial-cluster', `default=${own}`], { cwd: folder })
  const server = new Program(
    [KUBE_APISERVER, '--etcd-servers', store, '--secure-port', String(port), '--bind-address=127.0.0.1', '--advertise-address=192.0.2.1',
      '--endpoint-reconciler-type=none', '--cert-dir', join(folder, 'certificates'), '--token-auth-file', join(folder, 'tokens.csv'),
      '--authorization-mode=RBAC', '--service-cluster-ip-range=10.0.0.0/24', '--service-account-issuer=https://kubernetes.default.svc',
      '--service-account-key-file', key, '--service-account-signing-key-file', key],
    { cwd: folder }
  )
  etcd.start()
  server.start()
  const call = async (method, path, body, type = 'application/json') =>
    callWith({ port, ca: await readFile(join(folder, 'certificates', 'apiserver.crt')) }, { method, path, body, type })
  await until(async () => (await call('GET', '/readyz')).status === 200, () => (server.output + etcd.output).slice(-2_000))
  return { call, end: async () => { await server.end(); await etcd.end() } }
}

function callWith ({ port, ca }, { method, path, body, type }) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${TOKEN}`, ...body && { 'content-type': type } }
    request({ host: '127.0.0.1', port, ca, method, path, headers, agent: false }, async (response) => {
      const text = (await response.toArray()).join('')
      resolve({ status: response.statusCode, warnings: response.headers.warning, text })
    }).on('error', reject).end(body)
  })
}

/** Creates or changes one object as `kubectl apply --server-side --validate=strict` does. */
async function apply (overlay, text, call) {
  const kind = /^kind: (\w+)/m.exec(text)[1]
  const name = /^metadata:\n(?: {2}.*\n)*? {2}name: (\S+)/m.exec(text)[1]
  if (PLACES[kind] === undefined) return say(`        ${overlay}: ${kind} ${name} is not of Kubernetes itself: left out`)
  await check(`${overlay}: ${kind} ${name}, every field known, no warning`, async () => {
    const { status, warnings, text: response } = await call(
      'PATCH',
      `${PLACES[kind]}/${name}?fieldManager=test&fieldValidation=Strict&force=true`,
      text,
      'application/apply-patch+yaml'
    )
    assert.ok(status === 200 || status === 201, `${status} ${response}`)
    assert.equal(warnings, undefined)
  })
}

/** The definition of HTTPRoute, and its place once the server knows it. */
async function defineRoutes (file, call) {
  await check('the definition of HTTPRoute is accepted', async () => {
    const { status, text } =
      await call('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', await readFile(file, 'utf8'), 'application/yaml')
    assert.equal(status, 201, text)
    PLACES.HTTPRoute = '/apis/gateway.networking.k8s.io/v1/namespaces/scopegate/httproutes'
    await until(async () => (await call('GET', PLACES.HTTPRoute)).status === 200, () => 'the server does not serve HTTPRoute')
  })
}

/** What `restricted` requires of a Pod, each taken away in turn: the judge must see it. */
const LAPSES = [
  ['seccompProfile', (pod) => { delete pod.spec.securityContext.seccompProfile }],
  ['runAsNonRoot', (pod) => { delete pod.spec.securityContext.runAsNonRoot }],
  ['allowPrivilegeEscalation', (pod) => { delete pod.spec.containers[0].securityContext.allowPrivilegeEscalation }],
  ['capabilities', (pod) => { delete pod.spec.containers[0].securityContext.capabilities }],
  ['hostNetwork', (pod) => { pod.spec.hostNetwork = true }]
]

async function checkPod (overlay, call) {
  const { spec: { template: { metadata, spec } } } = JSON.parse((await call('GET', `${PLACES.Deployment}/scopegate`)).text)
  const create = (change = () => undefined) => {
    const pod = structuredClone({ apiVersion: 'v1', kind: 'Pod', metadata: { ...metadata, name: 'scopegate-1' }, spec })
    change(pod)
    return call('POST', `${PODS}?fieldValidation=Strict&dryRun=All`, JSON.stringify(pod))
  }
  await check(`${overlay}: the Pod of the Deployment is admitted under restricted, without a warning`, async () => {
    const { status, warnings, text } = await create()
    assert.equal(status, 201, text)
    assert.equal(warnings, undefined)
    say(`        POST …/pods: ${status}, ${JSON.parse(text).kind} ${JSON.parse(text).metadata.name}`)
  })
  for (const [what, change] of LAPSES) {
    await check(`${overlay}: and would not be without what it says of ${what}`, async () => {
      const { status, text } = await create(change)
      assert.equal(status, 403, text)
      assert.match(text, /violates PodSecurity \\"restricted:latest\\"/)
      say(`        ${JSON.parse(text).message.replace(/^.*: /, '')}`)
    })
  }
}

const render = await renderer()
const lack = render === undefined
  ? 'kustomize or kubectl'
  : !await isInstalled(ETCD)
      ? 'etcd'
      : !await isInstalled(KUBE_APISERVER)
          ? 'kube-apiserver'
          : undefined
if (lack !== undefined) {
  process.exitCode = report.skip(`${lack} is not installed`)
} else {
  const { folder, remove } = await temporaryFolder()
  const server = await startServer(folder)
  try {
    say(`        ${JSON.parse((await server.call('GET', '/version')).text).gitVersion}`)
    if (process.env.GATEWAY_API_CRD !== undefined) await defineRoutes(process.env.GATEWAY_API_CRD, server.call)
    for (const overlay of OVERLAYS) {
      for (const text of (await render(overlay)).split(/^---$/m)) await apply(overlay, `${text.trim()}\n`, server.call)
      await checkPod(overlay, server.call)
    }
  } finally {
    await server.end()
    await remove()
  }
  process.exitCode = report.end()
}
