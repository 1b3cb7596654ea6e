#!/usr/bin/env bash
# zensical 0.0.73, mkdocs 1.6.1 beside it (Python 3.11, Linux): a strict build of a page with an image that is not there,
# and with a page in `nav` that is not there.
#
# The guess that was wrong: as it reads mkdocs.yml, --strict ends where MkDocs' does.
# Seen: it ends for links to pages and anchors that are not there, but builds these two without a word: the menu leads to
# "./gone.md", the image is broken.
#
# Output: who ends with an error
#   nothing missing: none
#   link to a page that is not there: mkdocs, zensical
#   image that is not there: mkdocs
#   page of nav that is not there: mkdocs
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check zensical==0.0.73 mkdocs==1.6.1
try() { # NAME, LINE OF THE PAGE, ENTRY OF NAV
	rm -rf "$folder/site" && mkdir -p "$folder/site/docs"
	printf '# Home\n\n%s\n' "$2" >"$folder/site/docs/index.md"
	printf 'site_name: Site\nnav:\n  - Home: index.md\n%s\n' "$3" >"$folder/site/mkdocs.yml"
	ended=()
	for builder in mkdocs zensical; do
		(cd "$folder/site" && "$folder/venv/bin/$builder" build --strict) >/dev/null 2>&1 || ended+=("$builder")
	done
	echo "$1: $(IFS=, && echo "${ended[*]:-none}" | sed 's/,/, /')"
}
{
	try "nothing missing" "Text" ""
	try "link to a page that is not there" "[Page](gone.md)" ""
	try "image that is not there" "![Image](gone.png)" ""
	try "page of nav that is not there" "" "  - Gone: gone.md"
} | tee "$folder/seen"
diff "$folder/seen" <(sed -n '/^# Output:/,/^set /s/^#   //p' "$0")
