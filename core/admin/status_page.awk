# Writes C source with one array of lines for each input file: status_page.css becomes
# fr_status_page_css.
FNR == 1 {
    if (NR == 1)
        print "#include \"admin/status_page.h\"\n\n#include <stddef.h>\n"
    else
        print "    NULL,\n};\n"
    name = FILENAME
    sub(/.*\//, "", name)
    sub(/\./, "_", name)
    print "const char *const fr_" name "[] = {"
}
{
    gsub(/\\/, "&&")
    gsub(/"/, "\\\\&")
    print "    \"" $0 "\\n\","
}
END {
    print "    NULL,\n};"
}
