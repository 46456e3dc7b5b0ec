// Maps the answer to a request to its outcome. Pure: the reconciler applies the outcome.
//
//                 subscribe     unsubscribe       probe
//   Acknowledged  Subscribed    Unsubscribed      Alive
//   Refused       Refused (1)   StillSubscribed   Alive
//     with retry  Postponed     Postponed         Alive
//   Unanswered    Uncertain     Uncertain         Uncertain
//   Lost          Lost          Lost              Lost
//
// (1) Bisected when the answer names no topics and several are unsettled: the peer refuses at least one of them.
import type * as Duration from "effect/Duration"
import type { ServerMessage } from "../../SessionProtocol.ts"
import { retryOf } from "./settings.ts"

export type Method = "subscribe" | "unsubscribe" | "probe"

/** The peer's answer to a request. */
export type Answered = Extract<ServerMessage<never>, { readonly _tag: "Acknowledged" | "Refused" }>

/** The end of a request: the peer answers, it does not answer in time, or the connection is lost. */
export type Answer = Answered | { readonly _tag: "Unanswered" } | { readonly _tag: "Lost" }

type Of<Tag extends string, Facts = unknown> = { readonly _tag: Tag; readonly topics: ReadonlyArray<string> } & Facts

export type Outcome =
  /** The topics are subscribed. */
  | Of<"Subscribed">
  /** The topics are unsubscribed. */
  | Of<"Unsubscribed">
  /** The peer refuses each of these topics. */
  | Of<"Refused", { readonly reason: string }>
  /** The peer refuses at least one of these topics. The reconciler asks for them in halves to find it. */
  | Of<"Bisected", { readonly reason: string }>
  /** The reconciler makes the same request again after this time. */
  | Of<"Postponed", { readonly retry: Duration.Duration; readonly reason: string }>
  /** The topics are still subscribed. The reconciler unsubscribes them again. */
  | Of<"StillSubscribed">
  /** The topics may be subscribed. The reconciler asks again: to subscribe the desired ones, to unsubscribe the others. */
  | Of<"Uncertain">
  /** The connection is lost. The reconciler subscribes the topics again on the next one. */
  | Of<"Lost">
  /** The peer has answered a probe. */
  | Of<"Alive">

const acknowledged = { subscribe: "Subscribed", unsubscribe: "Unsubscribed", probe: "Alive" } as const

/** The outcome for the topics that the answer settles: those of the unsettled topics that it names, or all of them. */
export const settle = (method: Method, answer: Answer, unsettled: ReadonlyArray<string>): Outcome => {
  const named = "topics" in answer ? answer.topics : undefined
  const topics = named === undefined ? unsettled : unsettled.filter((topic) => named.includes(topic))
  switch (answer._tag) {
    case "Acknowledged":
      return { _tag: acknowledged[method], topics }
    case "Refused": {
      const { reason } = answer
      const retry = retryOf(answer.retry)
      if (method === "probe") return { _tag: "Alive", topics }
      if (retry !== undefined) return { _tag: "Postponed", topics, retry, reason }
      if (method === "unsubscribe") return { _tag: "StillSubscribed", topics }
      return named === undefined && topics.length > 1 ? { _tag: "Bisected", topics, reason } : { _tag: "Refused", topics, reason }
    }
    case "Unanswered":
      return { _tag: "Uncertain", topics }
    case "Lost":
      return { _tag: "Lost", topics }
  }
}
