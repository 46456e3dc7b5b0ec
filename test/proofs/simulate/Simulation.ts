/**
 * Deterministic simulation: the real connections, sessions and feeds, on a simulated network and exchange, in virtual
 * time. A plan of either level, and what becomes of it.
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

/** Whether something has the shape of what was printed. */
export const isSimulated = (value: unknown): value is Simulated =>
  Predicate.hasProperty(value, "plan") && Predicate.isReadonlyRecord(value.plan) && Array.isArray(value.plan.steps) &&
  Predicate.hasProperty(value, "level") && (value.level === "connection" || value.level === "feed")

export const connection: fc.Arbitrary<Simulated> = Plan.connectionPlan.map((plan) => ({ level: "connection", plan }))
export const feed: fc.Arbitrary<Simulated> = Plan.feedPlan.map((plan) => ({ level: "feed", plan }))

/** Half of the runs are about a bare connection, half about a whole feed. */
export const either: fc.Arbitrary<Simulated> = fc.oneof(connection, feed)

export const run = (simulated: Simulated): Outcome =>
  simulated.level === "connection" ? ConnectionRun.run(simulated.plan) : FeedRun.run(simulated.plan)

/** What a run broke, in words. */
export const complaint = ({ violations }: Outcome): string =>
  violations.slice(0, 5).map(({ at, detail, invariant }) => `${invariant}, at ${at} ms: ${detail}`).join("\n")
