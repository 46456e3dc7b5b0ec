/**
 * Deterministic simulation of real connections, sessions and feeds, on a simulated network and exchange, in virtual time.
 * It runs a plan for a bare connection, one for a session, one for a feed, or one for a feed of many symbols, most of which are quiet.
 */
import * as Predicate from "effect/Predicate"
import * as fc from "fast-check"
import * as ConnectionRun from "./ConnectionRun.ts"
import * as FeedRun from "./FeedRun.ts"
import type { Outcome } from "./Outcome.ts"
import * as Plan from "./Plan.ts"
import * as SessionRun from "./SessionRun.ts"
import type { SymbolsPlan } from "./SymbolsPlan.ts"
import { symbolsPlan } from "./SymbolsPlan.ts"
import * as SymbolsRun from "./SymbolsRun.ts"

export type Simulated =
  | { readonly level: "connection"; readonly plan: Plan.ConnectionPlan }
  | { readonly level: "session"; readonly plan: Plan.SessionPlan }
  | { readonly level: "feed"; readonly plan: Plan.FeedPlan }
  | { readonly level: "symbols"; readonly plan: SymbolsPlan }

const levels: ReadonlySet<unknown> = new Set<Simulated["level"]>(["connection", "session", "feed", "symbols"])

/** Whether a value has the shape of a printed plan. */
export const isSimulated = (value: unknown): value is Simulated =>
  Predicate.hasProperty(value, "plan") && Predicate.isReadonlyRecord(value.plan) && Array.isArray(value.plan.steps) &&
  Predicate.hasProperty(value, "level") && levels.has(value.level)

export const connection: fc.Arbitrary<Simulated> = Plan.connectionPlan.map((plan) => ({ level: "connection", plan }))
export const session: fc.Arbitrary<Simulated> = Plan.sessionPlan.map((plan) => ({ level: "session", plan }))
export const feed: fc.Arbitrary<Simulated> = Plan.feedPlan.map((plan) => ({ level: "feed", plan }))
export const symbols: fc.Arbitrary<Simulated> = symbolsPlan.map((plan) => ({ level: "symbols", plan }))

/** Two of six runs have a bare connection, one has a session, two have a feed, and one has a feed of many symbols. */
export const any: fc.Arbitrary<Simulated> = fc.oneof(
  { weight: 2, arbitrary: connection },
  { weight: 1, arbitrary: session },
  { weight: 2, arbitrary: feed },
  { weight: 1, arbitrary: symbols }
)

export const run = (simulated: Simulated): Outcome => {
  switch (simulated.level) {
    case "connection":
      return ConnectionRun.run(simulated.plan)
    case "session":
      return SessionRun.run(simulated.plan)
    case "feed":
      return FeedRun.run(simulated.plan)
    case "symbols":
      return SymbolsRun.run(simulated.plan)
  }
}

/** The first violations of a run, one a line. */
export const complaint = ({ violations }: Outcome): string =>
  violations.slice(0, 5).map(({ at, detail, invariant }) => `${invariant}, at ${at} ms: ${detail}`).join("\n")
