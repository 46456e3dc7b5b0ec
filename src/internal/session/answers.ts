// What the answer to a request comes to. Pure: the reconciler applies it.
//
//                 subscribe     unsubscribe   probe
//   Acknowledged  Carried       Released      Heard
//   Refused       Refused (1)   Kept          Heard
//     with retry  Postponed     Postponed     Heard
//   Unanswered    Doubtful      Doubtful      Doubtful
//   Lost          Lost          Lost          Lost
//
// (1) Halved where the answer names no topics and several are open: it means one of them, nobody knows which.
import type * as Duration from "effect/Duration"
import type { ServerMessage } from "../../SessionProtocol.ts"

export type Method = "subscribe" | "unsubscribe" | "probe"

/** What the peer says to a request. */
export type Answered = Extract<ServerMessage<never>, { readonly _tag: "Acknowledged" | "Refused" }>

/** How a request is answered: by the peer, not in time, or not at all, since the connection is gone. */
export type Answer = Answered | { readonly _tag: "Unanswered" } | { readonly _tag: "Lost" }

type Of<Tag extends string, Facts = unknown> = { readonly _tag: Tag; readonly topics: ReadonlyArray<string> } & Facts

export type Outcome =
  /** They are on the wire. */
  | Of<"Carried">
  /** They are not on the wire any more. */
  | Of<"Released">
  /** Each of them is refused. */
  | Of<"Refused", { readonly reason: string }>
  /** One of them is refused, and is found by halves. */
  | Of<"Halved">
  /** The same is asked again after so long. */
  | Of<"Postponed", { readonly retry: Duration.DurationInput }>
  /** They are still on the wire, and are taken back again. */
  | Of<"Kept">
  /** They may be on the wire: what is wanted is asked for again, and all else taken back. */
  | Of<"Doubtful">
  /** The connection is gone: they are asked for anew on the next one. */
  | Of<"Lost">
  /** The peer is there. */
  | Of<"Heard">

const acknowledged = { subscribe: "Carried", unsubscribe: "Released", probe: "Heard" } as const

/** What becomes of those of the open topics that the answer settles: the ones that it names, or all. */
export const settle = (method: Method, answer: Answer, open: ReadonlyArray<string>): Outcome => {
  const named = "topics" in answer ? answer.topics : undefined
  const topics = named === undefined ? open : open.filter((topic) => named.includes(topic))
  switch (answer._tag) {
    case "Acknowledged":
      return { _tag: acknowledged[method], topics }
    case "Refused": {
      const { reason, retry } = answer
      if (method === "probe") return { _tag: "Heard", topics }
      if (retry !== undefined) return { _tag: "Postponed", topics, retry }
      if (method === "unsubscribe") return { _tag: "Kept", topics }
      return named === undefined && topics.length > 1 ? { _tag: "Halved", topics } : { _tag: "Refused", topics, reason }
    }
    case "Unanswered":
      return { _tag: "Doubtful", topics }
    case "Lost":
      return { _tag: "Lost", topics }
  }
}

/** Whether it leaves something on the wire that should not be there, or may. */
export const isFruitless = ({ _tag }: Outcome): boolean => _tag === "Kept" || _tag === "Doubtful"
