/**
 * How the exchange breaks: what each fault does to its clients, and to what is asked of it next.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Client } from "./Client.ts"
import * as Clients from "./Client.ts"
import * as Fault from "./Fault.ts"

/**
 * What a fault strikes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The oldest first. */
  readonly clients: ReadonlySet<Client>
  /** Says something to one client, if it listens. */
  readonly deliver: (client: Client, text: string) => void
  /** Resets every socket, and listens again so much later. */
  readonly restart: (downtime: Duration.DurationInput) => Effect.Effect<void>
  readonly now: () => number
  /** Runs what outlives the strike. */
  readonly fork: (effect: Effect.Effect<void>) => void
}

/**
 * Faults, and what they have left to be done to whoever comes next.
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultInjector {
  /** Strikes now. */
  readonly inject: (fault: Fault.Fault) => Effect.Effect<void>
  /** Strikes one after the other, for ever when told to repeat. Completes with the last. */
  readonly script: (
    faults: ReadonlyArray<Fault.Scripted>,
    options?: { readonly repeat?: boolean | undefined }
  ) => Effect.Effect<void>
  /** How much later the next upgrade is to be answered, if not at once. Asking takes it. */
  readonly nextDelay: () => Duration.DurationInput | undefined
  /** How the next upgrade is to be refused, if it is. Asking takes it. */
  readonly nextUpgrade: () => Fault.Refusal | undefined
  /** How the next REST request is to be refused, if it is. Asking takes it. */
  readonly nextRest: () => Fault.Refusal | undefined
}

/**
 * Makes the faults of an exchange.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ clients, fork, now, restart, deliver }: Options): FaultInjector => {
  const refusals = { upgrades: new Array<Fault.Refusal>(), rest: new Array<Fault.Refusal>() }
  const delays: Array<Duration.DurationInput> = []

  const repeat = <A>(list: Array<A>, item: A, times: number) => {
    for (let i = 0; i < times; i++) list.push(item)
  }

  const toAll = (hit: (client: Client) => void) =>
    Effect.sync(() => {
      for (const client of [...clients]) hit(client)
    })

  const mute = (client: Client) => {
    client.muted = true
  }

  const inject = Fault.$match({
    Drop: () =>
      toAll((client) => {
        mute(client)
        client.tcp.end()
      }),
    Reset: () =>
      toAll((client) => {
        mute(client)
        Clients.reset(client.tcp)
      }),
    ResetOne: () =>
      Effect.sync(() => {
        const [oldest] = clients
        if (oldest === undefined) return
        mute(oldest)
        Clients.reset(oldest.tcp)
      }),
    Close: ({ code, reason }) =>
      toAll(({ ws }) => {
        ws.close(code, reason)
      }),
    Mute: () => toAll(mute),
    Vanish: () =>
      toAll((client) => {
        mute(client)
        client.ws.pause()
      }),
    Malformed: () =>
      toAll((client) => {
        deliver(client, `{"stream":"btcusdt@trade","data":{"e":"trade","E":`)
      }),
    Oversize: ({ bytes }) =>
      toAll((client) => {
        deliver(client, "x".repeat(bytes))
      }),
    // FIN, opcode 0xB, no payload.
    Violation: () =>
      toAll(({ tcp }) => {
        tcp.write(Buffer.of(0x8b, 0x00))
      }),
    Shutdown: ({ notice }) =>
      toAll((client) => {
        const event = JSON.stringify({ e: "serverShutdown", E: now() })
        deliver(client, client.combined ? Clients.wrap("!serverShutdown", event) : event)
        fork(Effect.zipRight(
          Effect.sleep(notice),
          Effect.sync(() => {
            client.ws.close(1001, "the server is going away")
          })
        ))
      }),
    Restart: ({ downtime }) => restart(downtime),
    RefuseUpgrades: (refusal) =>
      Effect.sync(() => {
        repeat(refusals.upgrades, refusal, refusal.times)
      }),
    DelayUpgrades: ({ delay, times }) =>
      Effect.sync(() => {
        repeat(delays, delay, times)
      }),
    FailRest: (refusal) =>
      Effect.sync(() => {
        repeat(refusals.rest, refusal, refusal.times)
      })
  })

  const script: FaultInjector["script"] = (faults, { repeat = false } = {}) => {
    const once = Effect.forEach(
      faults,
      ({ after, fault: scripted }) => Effect.zipRight(Effect.sleep(after), inject(scripted)),
      { discard: true }
    )
    return repeat ? Effect.forever(once) : once
  }

  return {
    inject,
    script,
    nextDelay: () => delays.shift(),
    nextUpgrade: () => refusals.upgrades.shift(),
    nextRest: () => refusals.rest.shift()
  }
}
