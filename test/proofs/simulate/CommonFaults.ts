/** The faults of the clock, of dials and of the whole server: the same in runs of every level. */
import type { LocalFault, ServerFault } from "./Plan.ts"
import type { Network } from "./SimulatedNetwork.ts"
import type { VirtualTime } from "./VirtualTime.ts"

/** A fault of the process, of dials, or of all connections at once. */
export type CommonFault = LocalFault | Extract<ServerFault, { readonly do: "dials" | "refuses" | "restart" }>

/** What these faults are injected into. */
export interface Surroundings {
  readonly time: VirtualTime
  readonly network: Pick<Network, "dials" | "refuses" | "restart" | "vanishAll">
}

type Fault<Do extends CommonFault["do"]> = Extract<CommonFault, { readonly do: Do }>

type Injection<Do extends CommonFault["do"]> = (surroundings: Surroundings, fault: Fault<Do>) => void

/** The machine sleeps. Returns whether the client still has a socket whose peer has gone meanwhile. */
export const sleep = ({ network, time }: Surroundings, { lasts, peers }: Fault<"sleep">): () => boolean => {
  const isThere = peers === "gone" ? network.vanishAll() : () => false
  time.sleepMachine(lasts)
  return isThere
}

const table: { readonly [Do in CommonFault["do"]]: Injection<Do> } = {
  stall: ({ time }, { lasts }) => time.stall(lasts),
  setWall: ({ time }, { by }) => time.setWall(by),
  sleep,
  dials: ({ network }, { fault, times }) => network.dials(times, fault),
  refuses: ({ network }, { fault, lasts }) => network.refuses(lasts, fault),
  restart: ({ network }, { downtime }) => network.restart(downtime)
}

export const isCommon = (action: { readonly do: string }): action is CommonFault => Object.hasOwn(table, action.do)

const injectOne = <Do extends CommonFault["do"]>(surroundings: Surroundings, what: Do, fault: Fault<Do>) => table[what](surroundings, fault)

/** Injects a fault. */
export const inject = (surroundings: Surroundings, fault: CommonFault): void => {
  injectOne(surroundings, fault.do, fault)
}
