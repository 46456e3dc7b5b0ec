// Describes the reason why a file could not be used.
import type { PlatformError } from "@effect/platform/Error"

const byReason: Readonly<Partial<Record<string, string>>> = {
  AlreadyExists: "it exists already",
  NotFound: "there is no such file or folder",
  PermissionDenied: "this user may not access it"
}

// Node's errno, which begins the description.
const byErrno: Readonly<Partial<Record<string, string>>> = {
  EDQUOT: "this user's part of the disk is full",
  EFBIG: "it may not grow any larger",
  EISDIR: "it is a folder",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of its path is not a folder",
  EROFS: "the disk is read-only"
}

export const describePlatformError = (error: PlatformError): string => {
  if (error._tag === "BadArgument") return error.description ?? error.message
  const errno = error.description?.split(":")[0] ?? ""
  return byReason[error.reason] ?? byErrno[errno] ?? error.description ?? error.reason
}
