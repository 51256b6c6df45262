/** Writes ZIP archives without compression, for images that are compressed already. */

const LOCAL = 0x04034b50;
const ENTRY = 0x02014b50;
const END = 0x06054b50;
const DATE = 33; // 1980-01-01, as in the archives of the service
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** Returns an archive of files `{ name, bytes }` as a blob. */
export function zip(files) {
  const parts = [];
  const directory = [];
  let at = 0;
  for (const { name, bytes } of files) {
    const path = new TextEncoder().encode(name);
    const about = [20, 0x800, 0, 0, DATE];
    const sizes = [checksum(bytes), bytes.length, bytes.length];
    const local = [...words(LOCAL), ...shorts(...about), ...words(...sizes), ...shorts(path.length, 0)];
    directory.push(Uint8Array.from([...words(ENTRY), ...shorts(20, ...about), ...words(...sizes), ...shorts(path.length, 0, 0, 0, 0), ...words(0, at), ...path]));
    parts.push(Uint8Array.from(local), path, bytes);
    at += local.length + path.length + bytes.length;
  }
  const size = directory.reduce((sum, entry) => sum + entry.length, 0);
  const end = [...words(END), ...shorts(0, 0, directory.length, directory.length), ...words(size, at), ...shorts(0)];
  return new Blob([...parts, ...directory, Uint8Array.from(end)], { type: "application/zip" });
}

/** Returns the bytes of a data URL. */
export function bytesOf(source) {
  return Uint8Array.from(atob(source.slice(source.indexOf(",") + 1)), (char) => char.charCodeAt(0));
}

function checksum(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function shorts(...values) {
  return values.flatMap((value) => [value & 255, (value >>> 8) & 255]);
}

function words(...values) {
  return values.flatMap((value) => [...shorts(value & 0xffff), ...shorts(value >>> 16)]);
}
