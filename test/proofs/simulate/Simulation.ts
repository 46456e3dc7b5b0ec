/**
 * Deterministic simulation of real connections, sessions and feeds, on a simulated network and exchange, in virtual time.
 * It runs a plan for a bare connection, or one for a feed.
 */
import * as Predicate from "effect/Predicate"
import * as fc from "fast-check"
import * as ConnectionRun from "./ConnectionRun.ts"
import * as FeedRun from "./FeedRun.ts"
import type { Outcome } from "./Outcome.ts"
import * as Plan from "./Plan.ts"

export type Simulated =
  | { readonly level: "connection"; readonly plan: Plan.ConnectionPlan }
  | { readonly level: "feed"; readonly plan: Plan.FeedPlan }

/** Whether a value has the shape of a printed plan. */
export const isSimulated = (value: unknown): value is Simulated =>
  Predicate.hasProperty(value, "plan") && Predicate.isReadonlyRecord(value.plan) && Array.isArray(value.plan.steps) &&
  Predicate.hasProperty(value, "level") && (value.level === "connection" || value.level === "feed")

export const connection: fc.Arbitrary<Simulated> = Plan.connectionPlan.map((plan) => ({ level: "connection", plan }))
export const feed: fc.Arbitrary<Simulated> = Plan.feedPlan.map((plan) => ({ level: "feed", plan }))

/** Half of the runs have a bare connection, half have a feed. */
export const either: fc.Arbitrary<Simulated> = fc.oneof(connection, feed)

export const run = (simulated: Simulated): Outcome =>
  simulated.level === "connection" ? ConnectionRun.run(simulated.plan) : FeedRun.run(simulated.plan)

/** The first violations of a run, one a line. */
export const complaint = ({ violations }: Outcome): string =>
  violations.slice(0, 5).map(({ at, detail, invariant }) => `${invariant}, at ${at} ms: ${detail}`).join("\n")
