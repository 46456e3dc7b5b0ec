/**
 * The subscriptions of the clients, and the messages that they receive.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { Client } from "./Client.ts"
import * as Clients from "./Client.ts"
import type { Market, Step } from "./Market.ts"
import * as Payload from "./Payload.ts"
import * as StreamName from "./StreamName.ts"

interface Topic {
  readonly stream: StreamName.StreamName
  readonly clients: Set<Client>
}

/**
 * The subscribed streams.
 *
 * @since 0.1.0
 * @category models
 */
export interface Topics {
  readonly subscribe: (client: Client, names: ReadonlyArray<string>) => void
  readonly unsubscribe: (client: Client, names: Iterable<string>) => void
  /** Sends a text to a client that can receive it. */
  readonly deliver: (client: Client, text: string) => void
  /** Advances the markets to `now` (Unix time in milliseconds), and sends their events to the subscribers. */
  readonly advance: (now: number) => void
  /** Sends nothing of a stream until this moment. */
  readonly stall: (name: string, until: number) => void
}

/**
 * Makes the streams of these markets. The markets send nothing to the `recorded` streams; a playback does. Each message
 * sent calls `onSent`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  markets: ReadonlyMap<string, Market>,
  recorded: ReadonlySet<string>,
  onSent: () => void
): Topics => {
  const topics = new Map<string, Topic>()
  // The streams of which nothing is sent until a moment.
  const stalled = new Map<string, number>()
  const isStalled = (name: string, now: number) => {
    const until = stalled.get(name)
    if (until !== undefined && until <= now) stalled.delete(name)
    return until !== undefined && until > now
  }

  const deliver: Topics["deliver"] = (client, text) => {
    if (Clients.send(client, text)) onSent()
  }

  // Writes each event once for all clients with the same unit and envelope.
  const publish = (name: string, topic: Topic, payloads: (unit: Payload.TimeUnit) => ReadonlyArray<object>) => {
    const written = new Map<string, ReadonlyArray<string>>()
    for (const client of topic.clients) {
      const key = `${client.unit} ${client.combined}`
      let texts = written.get(key)
      if (texts === undefined) {
        texts = payloads(client.unit).map((payload) => JSON.stringify(payload))
        if (client.combined) texts = texts.map((text) => Clients.wrap(name, text))
        written.set(key, texts)
      }
      for (const text of texts) deliver(client, text)
    }
  }

  return {
    subscribe: (client, names) => {
      for (const name of names) {
        client.streams.add(name)
        const topic = topics.get(name)
        const stream = Option.getOrUndefined(StreamName.parse(name))
        if (topic !== undefined) topic.clients.add(client)
        else if (stream !== undefined) topics.set(name, { stream, clients: new Set([client]) })
      }
    },
    unsubscribe: (client, names) => {
      for (const name of [...names]) {
        client.streams.delete(name)
        const topic = topics.get(name)
        topic?.clients.delete(client)
        if (topic?.clients.size === 0) topics.delete(name)
      }
    },
    deliver,
    stall: (name, until) => {
      stalled.set(name, until)
    },
    advance: (now) => {
      const steps = new Map([...markets.values()].map((market) => [market, market.advance(now)]))
      for (const [name, topic] of topics) {
        if (recorded.has(name) || isStalled(name, now)) continue
        const { stream } = topic
        if (stream.symbol === undefined) {
          // One message lists all symbols. Every market advances by the same steps.
          const [first = []] = steps.values()
          first.forEach((_, i) => {
            publish(name, topic, (unit) => {
              const all = [...steps].flatMap(([market, ofMarket]) => {
                const step: Step | undefined = ofMarket[i]
                return step === undefined ? [] : Payload.ofStep(stream, market, step, unit)
              })
              return all.length === 0 ? [] : [all]
            })
          })
        } else {
          const market = markets.get(stream.symbol)
          if (market === undefined) continue
          for (const step of steps.get(market) ?? []) {
            publish(name, topic, (unit) => Payload.ofStep(stream, market, step, unit))
          }
        }
      }
    }
  }
}
