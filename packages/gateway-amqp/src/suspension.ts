/** Why a session does not read at the moment; several may hold at once. */
export const Suspension = {
  ENGINE: 1,
  OUTPUT: 2,
  METHOD: 4,
  LOGIN: 8,
  QUOTA: 16,
  ALARM: 32,
} as const
export type Suspension = (typeof Suspension)[keyof typeof Suspension]

/** Why a session's consumers are given nothing at the moment. */
export const Hold = { OUTPUT: 1, QUOTA: 2, DRAIN: 4 } as const
export type Hold = (typeof Hold)[keyof typeof Hold]
