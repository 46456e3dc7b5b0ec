// The names of the venues that the program knows.

/** The names that help and errors list. */
export const venueNames = ["demo", "spot", "testnet", "us", "futures", "coin-m"] as const

export type VenueName = (typeof venueNames)[number]

// Names that TRADING_MODE has always taken.
const others = { live: "spot", paper: "testnet" } as const

const byName: ReadonlyMap<string, VenueName> = new Map<string, VenueName>([
  ...venueNames.map((name) => [name, name] as const),
  ...Object.entries(others)
])

/** The venue with this name, in upper or lower case. Undefined: there is none. */
export const venueNamed = (text: string): VenueName | undefined => byName.get(text.trim().toLowerCase())

/** All names. */
export const allVenueNames: ReadonlyMap<string, VenueName> = byName

/** Whether a text names a venue or has the shape of the URL of one. Undefined: neither. */
export const venueShape = (text: string): "name" | "url" | undefined =>
  venueNamed(text) !== undefined ? "name" : /^(?:wss?|https?):/i.test(text.trim()) ? "url" : undefined
