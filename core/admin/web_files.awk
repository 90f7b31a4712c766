# Writes C source with one array of lines for each input file, and the list of them.
function name_of(path) {
    sub(/.*\//, "", path)
    return path
}
function finish() {
    if (count > 0)
        print "    NULL,\n};\n"
}
BEGIN { count = 0; print "#include \"admin/web_files.h\"\n\n#include <stddef.h>\n" }
FNR == 1 {
    finish()
    names[count] = name_of(FILENAME)
    print "static const char *const lines_" count "[] = {"
    count++
}
{
    gsub(/\\/, "&&")
    gsub(/"/, "\\\\&")
    gsub(/\?\?/, "?\"\"?") # no trigraphs
    print "    \"" $0 "\\n\","
}
END {
    finish()
    print "const struct fr_web_source fr_web_sources[] = {"
    for (i = 0; i < count; i++)
        print "    {\"" names[i] "\", lines_" i "},"
    print "    {NULL, NULL},\n};"
}
