/** Loaded before the service: @opentelemetry/api, as a library that may be traced brings it, and no SDK. */
import '@opentelemetry/api'
