/**
 * Injects faults: acts on the connected clients, and remembers which of the next requests to refuse or delay.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Client } from "./Client.ts"
import * as Clients from "./Client.ts"
import * as Fault from "./Fault.ts"

/**
 * The parts of the exchange that faults act on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The connected clients, oldest first. */
  readonly clients: ReadonlySet<Client>
  /** Sends a text to a client that can receive it. */
  readonly deliver: (client: Client, text: string) => void
  /** Sends nothing of a stream until a moment of the wall clock. */
  readonly stall: (stream: string, until: number) => void
  /** Resets every connection and listens again after `downtime`. */
  readonly restart: (downtime: Duration.DurationInput) => Effect.Effect<void>
  readonly now: () => number
  /** Runs an effect that continues after the fault was injected. */
  readonly fork: (effect: Effect.Effect<void>) => void
}

/**
 * Injects faults, and says which of the next requests they refuse or delay.
 *
 * @since 0.1.0
 * @category models
 */
export interface FaultInjector {
  /** Injects a fault now. */
  readonly inject: (fault: Fault.Fault) => Effect.Effect<void>
  /** Injects faults one after the other. Completes after the last; with `repeat`, starts over and never completes. */
  readonly script: (
    faults: ReadonlyArray<Fault.Scripted>,
    options?: { readonly repeat?: boolean | undefined }
  ) => Effect.Effect<void>
  /** Takes the delay of the next upgrade; undefined if there is none. */
  readonly nextDelay: () => Duration.DurationInput | undefined
  /** Takes the refusal of the next upgrade; undefined if it is accepted. */
  readonly nextUpgrade: () => Fault.Refusal | undefined
  /** Takes the refusal of the next REST request; undefined if it is answered. */
  readonly nextRest: () => Fault.Refusal | undefined
}

/**
 * Makes the fault injector of an exchange.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ clients, fork, now, restart, deliver, stall }: Options): FaultInjector => {
  const refusals = { upgrades: new Array<Fault.Refusal>(), rest: new Array<Fault.Refusal>() }
  const delays: Array<Duration.DurationInput> = []

  const repeat = <A>(list: Array<A>, item: A, times: number) => {
    for (let i = 0; i < times; i++) list.push(item)
  }

  const toAll = (act: (client: Client) => void) =>
    Effect.sync(() => {
      for (const client of [...clients]) act(client)
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
    // FIN bit, reserved opcode 0xB, no payload.
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
            client.ws.close(1001, "the server is shutting down")
          })
        ))
      }),
    Restart: ({ downtime }) => restart(downtime),
    Stall: ({ lasts, stream }) =>
      Effect.sync(() => {
        stall(stream, now() + Duration.toMillis(lasts))
      }),
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
