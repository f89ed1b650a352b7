// Which drawing and which word stand for a file: decided from the type the
// hub names and, where that says little, from the name's ending. Called by
// table.js; never opens a file.

const BY_ENDING = new Map(
  Object.entries({
    picture: "jpg jpeg png gif webp avif heic heif svg bmp tif tiff ico psd xcf raw cr2 nef dng",
    film: "mp4 m4v mov mkv webm avi ogv mpg mpeg mts 3gp srt vtt",
    sound: "mp3 m4a ogg oga opus flac wav aac mid midi aif aiff",
    document: "pdf doc docx odt rtf xls xlsx ods ppt pptx odp epub pages numbers key ps tex",
    archive: "zip tar gz tgz bz2 xz zst 7z rar jar deb rpm apk dmg iso img cab lz4",
    code: "rs c h cc cpp hpp py js mjs ts tsx jsx go java kt swift rb pl php sh bash ps1 bat lua sql html htm css json xml yaml yml toml ini cfg conf v vhd ino ipynb",
    text: "txt md log csv tsv rst adoc nfo",
  }).flatMap(([kind, endings]) => endings.split(" ").map((ending) => [ending, kind])),
);

const BY_TYPE = [
  [/^image\//, "picture"],
  [/^video\//, "film"],
  [/^audio\//, "sound"],
  [/^application\/pdf/, "document"],
  [/^application\/(zip|gzip|x-tar|zstd|x-7z)/, "archive"],
  [/^(text\/(html|css|javascript)|application\/(json|xml|javascript))/, "code"],
  [/^text\//, "text"],
];

export const KIND_WORDS = {
  folder: "Folder",
  picture: "Picture",
  film: "Film",
  sound: "Sound",
  document: "Document",
  archive: "Archive",
  code: "Code",
  text: "Text",
  other: "File",
};

export function kindOf(item) {
  if (item.folder) return "folder";
  const dot = item.name.lastIndexOf(".");
  const ending = dot > 0 ? item.name.slice(dot + 1).toLowerCase() : "";
  // The ending first: it tells a script from a letter, where the type may
  // call both of them text/plain.
  const byEnding = BY_ENDING.get(ending);
  if (byEnding) return byEnding;
  const byType = BY_TYPE.find(([pattern]) => pattern.test(item.type));
  return byType ? byType[1] : "other";
}
