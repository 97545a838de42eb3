// UTF-8, which QuickJS leaves to its host.

/**
 * How many bytes a sequence has that starts with `byte`, and which range its second byte is in; undefined if none does.
 */
function sequence(byte) {
  if (byte >= 0xc2 && byte <= 0xdf) return [2, 0x80, 0xbf];
  if (byte >= 0xe0 && byte <= 0xef) return [3, byte === 0xe0 ? 0xa0 : 0x80, byte === 0xed ? 0x9f : 0xbf];
  if (byte >= 0xf0 && byte <= 0xf4) return [4, byte === 0xf0 ? 0x90 : 0x80, byte === 0xf4 ? 0x8f : 0xbf];
  return undefined;
}

// More arguments than these in one call would overflow the stack.
const CHUNK_BYTES = 4096;
const BEYOND_ASCII = /[^\0-\x7f]/;

/**
 * Decodes as `new TextDecoder("utf-8", { fatal, ignoreBOM: true })` does: a replacement character for each maximal part
 * of a sequence that is none; with `fatal`, undefined.
 */
export function decodeUtf8(bytes, { fatal = false } = {}) {
  // What the engine does itself costs a tenth of a loop over the bytes, and fuel is scarce.
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK_BYTES));
  }
  if (isAscii(bytes)) return text;
  try {
    return decodeURIComponent(escape(text));
  } catch {
    return fatal ? undefined : decodeWithReplacements(bytes);
  }
}

/** Looks at sixteen bytes at a time. */
function isAscii(bytes) {
  const padded = new Uint8Array((bytes.length + 15) & ~15);
  padded.set(bytes);
  const words = new Int32Array(padded.buffer);
  let seen = 0;
  for (let at = 0; at < words.length; at += 4) seen |= words[at] | words[at + 1] | words[at + 2] | words[at + 3];
  return (seen & 0x80808080) === 0;
}

function decodeWithReplacements(bytes) {
  const chunks = [];
  let codes = [];
  let at = 0;
  while (at < bytes.length) {
    if (codes.length >= CHUNK_BYTES) {
      chunks.push(String.fromCodePoint(...codes));
      codes = [];
    }
    const first = bytes[at++];
    const kind = sequence(first);
    let complete = kind !== undefined;
    let code = first;
    if (complete) {
      let [length, low, high] = kind;
      code &= 0x7f >> length;
      for (; length > 1 && complete; length--) {
        const next = bytes[at];
        complete = next >= low && next <= high;
        if (complete) {
          code = (code << 6) | (next & 0x3f);
          at++;
        }
        [low, high] = [0x80, 0xbf];
      }
    }
    codes.push(complete || first < 0x80 ? code : 0xfffd);
  }
  chunks.push(String.fromCodePoint(...codes));
  return chunks.join("");
}

/** Bytes of a text in UTF-8; a lone surrogate counts as the replacement character that it becomes. */
export function utf8Length(text) {
  if (!BEYOND_ASCII.test(text)) return text.length;
  let bytes = text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x80) bytes += unit >= 0x800 ? 2 : 1;
    // The two halves of a pair are four bytes: three for this one, and one already counted for the other.
    if (unit >= 0xd800 && unit <= 0xdbff && isLow(text.charCodeAt(at + 1))) at += 1;
  }
  return bytes;
}

function isLow(unit) {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** A range of a string, as JavaScript counts, in bytes, as redactions count. */
export function byteSpan(text, start, end) {
  const from = utf8Length(text.slice(0, start));
  return [from, from + utf8Length(text.slice(start, end))];
}
