# Makes proto/catalogue_data.c, the tables of core/record/field_catalogue_data.h, from enums.tsv and
# fields.tsv. The order of the arguments matters:
#   awk -f catalogue.awk enums.tsv fields.tsv
BEGIN {
    FS = "\t"
    print "/* Made by proto/catalogue.awk from proto/fields.tsv and proto/enums.tsv. */"
    print "#include \"record/field_catalogue_data.h\"\n"
}

/^#/ || NF == 0 { next }

function quoted(text) { return text == "-" ? "\"\"" : "\"" text "\"" }

FILENAME ~ /enums/ {
    if ($1 != enum) {
        if (enum != "") print "};\n"
        enum = $1
        enums[++enum_count] = enum
        tags[enum] = $2 == "-" ? 0 : $2
        enum_index[enum] = enum_count - 1
        print "static const struct fr_choice choices_" enum "[] = {"
    }
    size[enum]++
    printf "    {%s, \"%s\", \"%s\"},\n", $3, $5, $4 == "-" ? $5 : $4
    next
}

FILENAME ~ /fields/ {
    if (!in_fields) {
        in_fields = 1
        print "};\n\nconst struct fr_enum fr_catalogue_enums[] = {"
        for (i = 1; i <= enum_count; i++)
            printf "    {\"%s\", %s, choices_%s, %d},\n", enums[i], tags[enums[i]], enums[i], size[enums[i]]
        print "};\nconst size_t fr_catalogue_enum_count = " enum_count ";\n"
        print "const struct fr_field fr_catalogue_fields[] = {"
    }
    if (NF != 12) { print "fields.tsv: line " FNR ": " NF " columns, not 12" > "/dev/stderr"; bad = 1; exit 1 }
    if ($1 != field_count + 0) { print "fields.tsv: line " FNR ": numbers must be without gaps" > "/dev/stderr"; bad = 1; exit 1 }
    choices = ($3 == "enum" && ($4 in enum_index)) ? "&fr_catalogue_enums[" enum_index[$4] "]" : "NULL"
    printf "    {%s, \"%s\", FR_FIELD_%s, %s, %s, %s, %s, %s, %s, %s, %s, %s},\n", $1, $2, toupper($3), choices,
        quoted($5), quoted($6), quoted($7), $8 == "text" ? "true" : "false", quoted($9), quoted($10),
        quoted($11), quoted($12)
    field_count++
}

END {
    if (!bad)
        print "};\nconst size_t fr_catalogue_field_count = " field_count ";"
}
