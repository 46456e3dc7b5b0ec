/**
 * Shows what feeds and connections do while they run: metrics, readiness, and a page.
 *
 * @since 0.1.0
 */

/** The messages of `/events`. */
export * as Message from "./Message.ts"
/** The metrics that an observer samples. */
export * as Metrics from "./Metrics.ts"
/** The observer, and its routes. */
export * as Observe from "./Observe.ts"
/** The errors of an observer. */
export * as ObserveError from "./ObserveError.ts"
/** The text format of Prometheus. */
export * as Prometheus from "./Prometheus.ts"
