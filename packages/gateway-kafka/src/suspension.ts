/** Why a session does not read at the moment; several may hold at once. */
export const Suspension = {
  ENGINE: 1,
  OUTPUT: 2,
  REQUEST: 4,
  WINDOW: 8,
  LOGIN: 16,
  QUOTA: 32,
  ALARM: 64,
} as const
export type Suspension = (typeof Suspension)[keyof typeof Suspension]
