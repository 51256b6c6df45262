/** Reads ZIP archives without compression, as the service makes them. */

const END = 0x06054b50;
const ENTRY = 0x02014b50;

/** Returns the entries of an archive in order as `{ name, bytes }`. Throws Error for other data. */
export function unzip(buffer) {
  const view = new DataView(buffer);
  const end = findEnd(view);
  const entries = [];
  let at = view.getUint32(end + 16, true);
  for (let count = view.getUint16(end + 10, true); count > 0; count -= 1) {
    if (view.getUint32(at, true) !== ENTRY) throw new Error("the archive's directory is broken");
    const [name, extra, comment] = [28, 30, 32].map((where) => view.getUint16(at + where, true));
    entries.push({
      name: new TextDecoder().decode(new Uint8Array(buffer, at + 46, name)),
      bytes: dataOf(buffer, view, at),
    });
    at += 46 + name + extra + comment;
  }
  return entries;
}

/** Returns the position of the end record of the directory; a comment may follow it. */
function findEnd(view) {
  for (let at = view.byteLength - 22; at >= 0; at -= 1) {
    if (view.getUint32(at, true) === END) return at;
  }
  throw new Error("the response is not an archive");
}

function dataOf(buffer, view, entry) {
  if (view.getUint16(entry + 10, true) !== 0) throw new Error("the archive is compressed");
  const size = view.getUint32(entry + 20, true);
  const local = view.getUint32(entry + 42, true);
  const names = view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  return new Uint8Array(buffer, local + 30 + names, size);
}
