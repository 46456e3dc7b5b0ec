// Says in words why a file could not be used.
import type { PlatformError } from "@effect/platform/Error"

const known: Readonly<Partial<Record<string, string>>> = {
  AlreadyExists: "it exists already",
  NotFound: "there is no such file or folder",
  PermissionDenied: "this user may not access it"
}

export const describePlatformError = (error: PlatformError): string => {
  if (error._tag === "BadArgument") return error.description ?? error.message
  return known[error.reason] ?? error.description ?? error.reason
}
