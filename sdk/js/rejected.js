/** Thrown where a record can't be understood; the message becomes the reason of its reject, so it names no data. */
export class Rejected extends Error {}
