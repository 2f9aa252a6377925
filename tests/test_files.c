// test_files.c: data files as spreadsheets, pandas, R, NumPy and UCI write them: each is read right, or refused with words
// that say why. Every file is written here.
// build: float double cxx
#define _POSIX_C_SOURCE 200809L
#include "../gradflow.h"
#include "counted_alloc.h"
#include "test.h"
#include <sys/stat.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
static char folder[256], path[320];

static void write_file(const char *name, const void *bytes, size_t size) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, size, file) != size) test_fail(__FILE__, __LINE__, "%s: cannot be written", path);
    if (file) fclose(file);
}

// A data set in words: rows of x, then the classes or targets, then the names of the classes: "1 2; 3 4 | 0 1 | no yes"
static const char *in_words(const gf_dataset *data) {
    static char text[2000];
    size_t size = (size_t)data->shape.channels * (size_t)data->shape.height * (size_t)data->shape.width, n = 0;
    for (size_t i = 0; i < data->count * size && n < 1500; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%g", !i ? "" : i % size ? " " : "; ",
                              data->values ? (double)data->values[i] : (double)data->pixels[i]);
    n += (size_t)snprintf(text + n, sizeof text - n, " |");
    for (size_t i = 0; i < data->count * (data->labels ? 1 : (size_t)data->outputs) && n < 1500; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, " %g", data->labels ? data->labels[i] : (double)data->targets[i]);
    for (int k = 0; data->class_names && k < data->classes && n < 1500; k++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s %s", k ? "" : " |", data->class_names[k]);
    return text;
}

// Check one result: `expected` begins with "!" for a refusal, whose parts follow, separated by "…"; else it is the words.
static void check(const char *name, gf_status status, gf_dataset *data, const char *expected, const char *note) {
    TEST(name);
    if (*expected != '!') {
        char summary[800] = "";
        if (status != GF_OK) test_fail(__FILE__, __LINE__, "%s", gf_last_error());
        else if (strcmp(in_words(data), expected) != 0)
            test_fail(__FILE__, __LINE__, "found \"%s\", expected \"%s\"", in_words(data), expected);
        else CHECK(gf_data_summary(data, summary, sizeof summary) == GF_OK);
        if (status == GF_OK && note) CHECK_TEXT(summary, note);
        gf_data_free(data);
    } else {
        if (status != GF_ERROR_FORMAT && status != GF_ERROR_IO && status != GF_ERROR_ARGUMENT)
            test_fail(__FILE__, __LINE__, "status %d: \"%s\"", (int)status, status ? gf_last_error() : in_words(data));
        CHECK_TEXT(gf_last_error(), expected + 1);
        if (note) CHECK_TEXT(gf_last_error(), note);
        if (status == GF_OK) gf_data_free(data);
        CHECK(!data->values && !data->pixels && !data->labels && !data->targets && !data->class_names);
    }
    CHECK(alloc_live == 0);
}

typedef struct table {
    const char *name, *text;
    int classes;
    const char *expected, *note;  // note: must stand in the summary or the message, or NULL
} table;

#define ABC "5.1,3.5,a\n4.9,3.0,a\n7.0,3.2,b\n6.3,3.3,c\n"
#define ABC_WORDS "5.1 3.5; 4.9 3; 7 3.2; 6.3 3.3 | 0 0 1 2 | a b c"
#define NUMBERS "5.1 3.5; 4.9 3; 7 3.2 | 0 1 1"

static void test_tables(void) {
    static const table tables[] = {
        // separators, decimal marks, quotes
        {"names of classes", ABC, 3, ABC_WORDS, "3 classes: a 2, b 1, c 1"},
        {"semicolons", "5.1;3.5;0\n4.9;3.0;1\n7.0;3.2;1\n", 2, NUMBERS, NULL},
        {"tabs", "x\ty\tclass\n5.1\t3.5\t0\n4.9\t3.0\t1\n7.0\t3.2\t1\n", 2, NUMBERS, "line 1 is the header"},
        {"bars", "5.1|3.5|0\n4.9|3.0|1\n7.0|3.2|1\n", 2, NUMBERS, NULL},
        {"blanks", "5.1 3.5 0\n4.9 3.0 1\n7.0 3.2 1\n", 2, NUMBERS, NULL},
        {"blanks before, between and after", "  5.1   3.5\t0 \n  4.9   3.0 1  \n  7.0   3.2 1\n", 2, NUMBERS, NULL},
        {"commas and blanks", "5.1, 3.5, 0\n4.9, 3.0, 1\n7.0, 3.2, 1\n", 2, NUMBERS, NULL},
        {"Excel's line of the separator", "sep=;\r\n5.1;3.5;0\r\n4.9;3.0;1\r\n7.0;3.2;1\r\n", 2, NUMBERS, NULL},
        {"decimal commas behind semicolons", "5,1;3,5;0\n4,9;3;1\n7;3,2;1\n", 2, NUMBERS, NULL},
        {"decimal commas behind tabs", "5,1\t3,5\t0\n4,9\t3\t1\n7\t3,2\t1\n", 2, NUMBERS, NULL},
        {"decimal commas between blanks", "5,1 3,5 0\n4,9 3 1\n7 3,2 1\n", 2, NUMBERS, NULL},
        {"decimal commas in quotes", "\"5,1\",\"3,5\",0\n\"4,9\",\"3\",1\n\"7\",\"3,2\",1\n", 2, NUMBERS, NULL},
        {"three decimals in quotes", "\"0,125\",2,0\n\"0,250\",4,1\n", 2, "0.125 2; 0.25 4 | 0 1", NULL},
        {"quotes throughout", "\"a\",\"b\",\"k\"\n\"5.1\",\"3.5\",\"0\"\n\"4.9\",\"3\",\"1\"\n\"7\",\"3.2\",\"1\"\n", 2, NUMBERS, NULL},
        {"single quotes", "'5.1','3.5','a'\n'4.9','3.0','a'\n'7.0','3.2','b'\n'6.3','3.3','c'\n", 3, ABC_WORDS, NULL},
        {"a separator, a quote and a line end in a name", "1,2,\"x, y\"\n3,4,\"say \"\"no\"\"\"\n5,6,\"two\nlines\"\n", 3,
         "1 2; 3 4; 5 6 | 0 1 2 | x, y say \"no\" two\nlines", NULL},
        {"a name that begins with a quote", "1,2,'tis\n3,4,no\n", 2, "1 2; 3 4 | 0 1 | 'tis no", NULL},
        {"a date in a label does not separate", "1,2,Iris setosa\n3,4,Iris virginica\n", 2, "1 2; 3 4 | 0 1 | Iris setosa Iris virginica", NULL},
        {"an empty cell between every two", "1,,2,,0\n3,,4,,1\n", 2, "1 2; 3 4 | 0 1", "is empty and is left out"},
        // lines
        {"old Mac line ends", "5.1,3.5,0\r4.9,3.0,1\r7.0,3.2,1\r", 2, NUMBERS, NULL},
        {"comments", "# by hand\n5.1,3.5,0\n# more\n4.9,3.0,1\n7.0,3.2,1\n# end\n", 2, NUMBERS, NULL},
        {"NumPy's header", "# a b k\n5.1 3.5 0\n4.9 3.0 1\n7.0 3.2 1\n", 2, NUMBERS, "line 1 is the header"},
        {"a sample commented out", "#1.5,2.5,0\n5.1,3.5,0\n4.9,3.0,1\n7.0,3.2,1\n", 2, NUMBERS, NULL},
        {"a title", "Iris data of 1936\na,b,k\n5.1,3.5,0\n4.9,3.0,1\n7.0,3.2,1\n", 2, NUMBERS, "line 2 is the header"},
        {"a title as Excel pads it", "Iris,,\n,,\na,b,k\n5.1,3.5,0\n4.9,3.0,1\n7.0,3.2,1\n", 2, NUMBERS, NULL},
        {"units", "a,b,k\ncm,mm,-\n5.1,3.5,0\n4.9,3.0,1\n7.0,3.2,1\n", 2, NUMBERS, NULL},
        {"pandas without names", "0,1,2\n5.1,3.5,0\n4.9,3.0,1\n7.0,3.2,1\n", 2, NUMBERS, "line 1 is the header"},
        {"pandas without names, whole numbers", "0,1,2,3,4,5\n9,8,7,6,5,0\n1,2,3,4,5,1\n", 2, "9 8 7 6 5; 1 2 3 4 5 | 0 1", NULL},
        {"pandas without names, few whole numbers", "0,1,2\n9,8,0\n1,2,1\n", 2, "!how.header = 1", "-1: it is a sample"},
        {"NumPy's arange", "0,1,2\n3,4,5\n6,7,8\n", 0, "0 1; 3 4; 6 7 | 2 5 8", NULL},
        {"scikit-learn's first line", "4,2,no,yes\n5.1,3.5,0\n4.9,3.0,1\n7.0,3.2,1\n6,3,0\n", 2,
         "5.1 3.5; 4.9 3; 7 3.2; 6 3 | 0 1 1 0 | no yes", NULL},
        {"separators at the ends", "5.1,3.5,0,\n4.9,3.0,1,\n7.0,3.2,1,\n", 2, NUMBERS, "column 4"},
        {"separators at the ends, the header's too", "a,b,k,\n5.1,3.5,0,\n4.9,3.0,1,\n7.0,3.2,1,\n", 2, NUMBERS, "column 4"},
        {"separators at the ends of rows alone", "a,b,k\n5.1,3.5,0,\n4.9,3.0,1,\n7.0,3.2,1,\n", 2, NUMBERS, NULL},
        {"a separator at the header's end alone", "a,b,k,\n5.1,3.5,0\n4.9,3.0,1\n7.0,3.2,1\n", 2, NUMBERS, NULL},
        {"a header of two names for three columns or more", "a,b\n1,2,3,0\n1,3,3,1\n", 2, "!line 1 has 2 columns", "expected 4"},
        {"a footer", "5.1,3.5,0\n4.9,3.0,1\n7.0,3.2,1\nTotal,3,\n", 2, "!line 4, column 1: \"Total\"", NULL},
        {"a file twice", "a,b,k\n1,2,0\n3,4,1\na,b,k\n5,6,1\n", 2, "!line 4, column 1 \"a\"", "two files in one"},
        // columns that are none
        {"pandas' index", ",a,b,k\n0,5.1,3.5,0\n1,4.9,3.0,1\n2,7.0,3.2,1\n", 2, NUMBERS, "counts the rows and is left out"},
        {"pandas' index, shuffled", ",a,b,k\n17,5.1,3.5,0\n3,4.9,3.0,1\n9,7.0,3.2,1\n", 2, NUMBERS, "names the rows"},
        {"R's names of rows", "\"\",\"a\",\"b\",\"k\"\n\"x\",5.1,3.5,0\n\"y\",4.9,3.0,1\n\"z\",7.0,3.2,1\n", 2, NUMBERS, "names the rows"},
        {"R's names of rows without a name", "\"a\" \"b\" \"k\"\n\"x\" 5.1 3.5 0\n\"y\" 4.9 3.0 1\n\"z\" 7.0 3.2 1\n", 2, NUMBERS, "names the rows"},
        {"an Id", "Id,a,b,k\n1,5.1,3.5,0\n2,4.9,3.0,1\n3,7.0,3.2,1\n", 2, NUMBERS, "column 1 \"Id\" counts the rows and is left out"},
        {"a PassengerId", "PassengerId,a,b,k\n1,5.1,3.5,0\n2,4.9,3.0,1\n3,7.0,3.2,1\n", 2, NUMBERS, "left out"},
        {"an id that counts nothing", "id,a,b,k\n842302,5.1,3.5,0\n842517,4.9,3.0,1\n84300903,7.0,3.2,1\n", 2, NUMBERS, "left out"},
        {"numbers of rows without a name", "1,5.1,0\n2,4.9,1\n3,7,1\n4,6,0\n5,6,0\n", 2, "!column 1: counts the rows", "how.drop = \"1\""},
        {"x from 0 in steps of 1", "x,y\n0,0\n1,1\n2,4\n3,9\n4,16\n", 0, "0; 1; 2; 3; 4 | 0 1 4 9 16", NULL},
        {"a day is a number", "day,a,k\n1,5,0\n2,4,1\n3,7,1\n4,1,0\n5,1,0\n", 2, "1 5; 2 4; 3 7; 4 1; 5 1 | 0 1 1 0 0", "\"day\" counts the rows"},
        // classes
        {"classes from 1", "1,2,1\n3,4,2\n5,6,3\n", 3, "1 2; 3 4; 5 6 | 0 1 2 | 1 2 3", NULL},
        {"classes from 1, one of them empty", "1,2,1\n3,4,4\n5,6,3\n", 4, "1 2; 3 4; 5 6 | 0 3 2 | 1 2 3 4", NULL},
        {"classes -1 and +1", "1,2,+1\n3,4,-1\n5,6,+1\n", 2, "1 2; 3 4; 5 6 | 1 0 1 | -1 1", NULL},
        {"classes 2 and 4", "1,2,2\n3,4,4\n5,6,2\n", 2, "1 2; 3 4; 5 6 | 0 1 0 | 2 4", NULL},
        {"yes and no", "1,2,no\n3,4,yes\n5,6,no\n", 2, "1 2; 3 4; 5 6 | 0 1 0 | no yes", NULL},
        {"True and False", "a,b,k\n1,2,True\n3,4,False\n", 2, "1 2; 3 4 | 1 0 | False True", NULL},
        {"classes as NumPy writes numbers", "1,2,0.000000000000000000e+00\n3,4,1.000000000000000000e+00\n", 2, "1 2; 3 4 | 0 1", NULL},
        {"a column called label stands first", "label,p1,p2\n1,0,7\n0,0,0\n2,0,0\n", 3, "0 7; 0 0; 0 0 | 1 0 2", "column 1 \"label\" is the class"},
        {"two columns that might be it", "class,a,label,b\n0,1,0,3\n1,2,1,4\n2,3,2,5\n", 3, "!one of several", "how.label = \"label\""},
        {"the class first, without a name", "0,5.1,0.2\n1,7,0.4\n2,6.3,2.5\n", 3, "!is it column 1?", "how.label = \"1\""},
        {"the class first, the last column always 0", "0,5,0\n1,7,0\n2,6,0\n", 3, "!is it column 1?", "how.label = \"1\""},
        {"one-hot", "5.1,3.5,1,0,0\n7,3.2,0,1,0\n6.3,3.3,0,0,1\n", 3, "5.1 3.5; 7 3.2; 6.3 3.3 | 0 1 2 | 0 1 2", NULL},
        {"one-hot with names", "a,k_x,k_y\n1,True,False\n2,False,True\n3,False,True\n", 2, "1; 2; 3 | 0 1 1 | k_x k_y", NULL},
        {"one class", "1,2,0\n3,4,0\n", 2, "!1 different values in 2 rows", "expected 2 (0)"},
        {"three classes for two", "1,2,a\n3,4,b\n5,6,c\n", 2, "!3 different values", "(a, b, c)"},
        {"a number for each row is no class", "1,2,17\n3,4,25\n5,6,31\n", 3, "!no class", "how.targets"},
        {"a word to predict", "a,b,k\n1,2,no\n3,4,yes\n", 0, "!line 2, column 3 \"k\": \"no\"", "how.label = \"k\""},
        {"a number to predict called y", "y,a,b\n1.5,2,3\n2.5,3,4\n", 0, "2 3; 3 4 | 1.5 2.5", "\"y\" is the target"},
        {"points in space, where y is no answer", "x,y,z\n1.5,2,3\n2.5,3,4\n", 0, "1.5 2; 2.5 3 | 3 4", NULL},
        {"a category beside a price", "category,area,price\n1,2,3\n2,3,4\n", 0, "1 2; 2 3 | 3 4", NULL},
        // what is no number
        {"a word among numbers", "a,b,k\n1,2,0\n3,two,1\n5,6,0\n", 2, "!line 3, column 2 \"b\": \"two\"", "not a decimal number"},
        {"a column of words", "a,sex,k\n1,male,0\n3,female,1\n", 2, "!column 2 \"sex\": \"male\"", "how.categories = \"sex\""},
        {"a table of words without a header", "red,round,no\nred,long,yes\nblue,long,no\n", 2, "!how.categories = \"1\"", NULL},
        {"per cent", "10%,3,0\n20%,4,1\n", 2, "!line 1, column 1: \"10%\"", "take the sign away"},
        {"dollars", "$10.00,3,0\n$20.00,4,1\n", 2, "!\"$10.00\"", "take the sign away"},
        {"euros", "a;b;k\n1;10 \xE2\x82\xAC;0\n2;20 \xE2\x82\xAC;1\n", 2, "!line 2, column 2", "take the sign away"},
        {"thousands", "\"1,065\",3,0\n\"2,010\",4,1\n", 2, "!\"1,065\"", "thousands"},
        {"thousands and decimal commas", "1.234,5;3;0\n2.010,7;4;1\n", 2, "!\"1.234,5\"", "thousands"},
        {"a non-breaking space", "1\xC2\xA0" "000,2,0\n3,4,1\n", 2, "!line 1, column 1", "non-breaking space"},
        {"a Unicode minus", "\xE2\x88\x92" "1.5,2,0\n3,4,1\n", 2, "!line 1, column 1", "its minus"},
        {"dates", "2024-01-01,3,0\n2024-01-02,4,1\n", 2, "!line 1, column 1", "a date?"},
        {"times", "t,y\n12:30,3\n12:31,4\n", 0, "!line 2, column 1 \"t\"", "a time?"},
        {"missing: NA", "1,2,0\n3,NA,1\nNA,5,1\n", 2, "!line 2, column 2: \"NA\": is missing, the first of 2", "GF_MISSING_DROP"},
        {"missing: ?", "1,2,0\n3,?,1\n", 2, "!line 2, column 2: \"?\": is missing", "GF_MISSING_MEAN"},
        {"missing: empty", "1,2,0\n3,,1\n", 2, "!line 2, column 2: \"\": is missing", NULL},
        {"missing: the class", "1,2,0\n3,4,\n5,6,1\n", 2, "!line 2, column 3: \"\": is missing", NULL},
        {"missing: every cell", "1,2,0\n,,\n5,6,1\n", 2, "!line 2, column 1: \"\": is missing, the first of 3", NULL},
        // other formats
        {"a gzip file", "\x1f\x8b\x08\x01", 2, "!gunzip", NULL},
        {"a zip file", "PK\3\4\x14", 2, "!unzip", "export the sheet"},
        {"a web page", "<!DOCTYPE html>\n<html>1,2,0</html>\n", 2, "!a web page", "download the raw file"},
        {"a web page behind a blank line", "\n <html>\n", 2, "!a web page", NULL},
        {"JSON", "[{\"a\": 1}]\n", 2, "!JSON", NULL},
        {"a git-LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4549\n", 2, "!git lfs pull", NULL},
        {"libsvm", "+1 1:0.5 3:0.25\n-1 2:1\n", 2, "!libsvm", NULL},
        {"ARFF", "% a comment\n\n@relation iris\n@data\n1,2,0\n", 2, "!ARFF", NULL},
        {"UTF-16", "\xFF\xFE" "1", 2, "!UTF-16", "UTF-8"},
        {"SQLite", "SQLite format 3", 2, "!SQLite", NULL},
        {"Parquet", "PAR1\x15", 2, "!Parquet", NULL},
        {"a pickle", "\x80\x04\x95", 2, "!pickle", "gf_data_npy"},
        {"a NumPy array", "\x93NUMPY\1", 2, "!gf_data_npy", NULL},
    };
    gf_dataset data;
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        write_file("t.csv", tables[i].text, strlen(tables[i].text));
        gf_status status = gf_data_csv(&data, path, tables[i].classes);
        check(tables[i].name, status, &data, tables[i].expected, tables[i].note);
    }
}

static gf_csv csv_options(const char *label, const char *targets, const char *drop, const char *categories, int classes,
                          gf_missing missing, int header) {
    gf_csv how;
    memset(&how, 0, sizeof how);
    how.label = label, how.targets = targets, how.drop = drop, how.categories = categories;
    how.classes = classes, how.missing = missing, how.header = header;
    return how;
}

static void test_options(void) {
    static const char people[] = "id,age,sex,city,pay,ok\n7,30,m,Bonn,10,yes\n8,,f,Aachen,20,no\n9,50,f,?,30,yes\n";
    static const struct {
        const char *name, *text, *label, *targets, *drop, *categories;
        int classes;
        gf_missing missing;
        int header;
        const char *expected, *note;
    } cases[] = {
        {"a label by its name", "k,a,b\n1,2,3\n0,5,6\n", "k", NULL, NULL, NULL, 0, GF_MISSING_REFUSE, 0, "2 3; 5 6 | 1 0", NULL},
        {"a label by its number", "1,2,3\n0,5,6\n", "1", NULL, NULL, NULL, 2, GF_MISSING_REFUSE, 0, "2 3; 5 6 | 1 0", NULL},
        {"a label from the end", "2,1,3\n5,0,6\n", "-2", NULL, NULL, NULL, 2, GF_MISSING_REFUSE, 0, "2 3; 5 6 | 1 0", NULL},
        {"a label from the end of lines that end with commas", "2,1,3,\n5,0,6,\n", "-2", NULL, NULL, NULL, 2, GF_MISSING_REFUSE, 0, "2 3; 5 6 | 1 0", NULL},
        {"a one-hot label by its columns", "no,a,yes\n1,2,0\n0,5,1\n", "no,yes", NULL, NULL, NULL, 0, GF_MISSING_REFUSE, 0, "2; 5 | 0 1 | no yes", NULL},
        {"a label that is not one-hot", "no,yes,a\n1,1,2\n0,1,5\n", "no,yes", NULL, NULL, NULL, 0, GF_MISSING_REFUSE, 0, "!not one-hot", NULL},
        {"two targets", "a,b,c\n1,2,3\n4,5,6\n", NULL, "c,1", NULL, NULL, 0, GF_MISSING_REFUSE, 0, "2; 5 | 1 3 4 6", "targets 1 to 4, 3 to 6"},
        {"words are classes", ABC, NULL, NULL, NULL, NULL, 0, GF_MISSING_REFUSE, 0, ABC_WORDS, NULL},
        {"a class or a number", "1,2,3\n4,5,6\n", NULL, NULL, NULL, NULL, 0, GF_MISSING_REFUSE, 0, "!is it the class", "how.label = \"3\""},
        {"everything about people, rows with holes left out", people, "ok", NULL, "id", "sex,city", 0, GF_MISSING_DROP, 0,
         "30 0 1 0 1 10 | 0 | yes no", "2 rows with missing cells are left out"},
        {"everything about people, the mean in the holes", people, "ok", NULL, "id", "*", 0, GF_MISSING_MEAN, 0,
         "30 0 1 0 1 10; 40 1 0 1 0 20; 50 1 0 0 0 30 | 0 1 0 | yes no", NULL},
        {"a hole in the class is no mean", "a,b,k\n1,2,x\n3,4,\n5,6,y\n", "k", NULL, NULL, NULL, 0, GF_MISSING_MEAN, 0, "1 2; 5 6 | 0 1 | x y", "1 rows"},
        {"nothing but holes", "1,,0\n2,,1\n", "3", NULL, "", NULL, 0, GF_MISSING_DROP, 0, "!every row has a missing cell", NULL},
        {"a counting column is kept", "1,5,0\n2,4,1\n3,7,1\n4,1,0\n5,1,0\n", "3", NULL, "", NULL, 2, GF_MISSING_REFUSE, 0, "1 5; 2 4; 3 7; 4 1; 5 1 | 0 1 1 0 0", NULL},
        {"no header", "0,1,2\n9,8,0\n1,2,1\n", NULL, "3", NULL, NULL, 0, GF_MISSING_REFUSE, -1, "0 1; 9 8; 1 2 | 2 0 1", NULL},
        {"a header of numbers", "0,1,2\n9,8,0\n1,2,1\n", NULL, "-1", NULL, NULL, 0, GF_MISSING_REFUSE, 1, "9 8; 1 2 | 0 1", NULL},
        {"a longer header", "a,b,k\n1,1,1\n9,8,0\n1,2,1\n", NULL, "k", NULL, NULL, 0, GF_MISSING_REFUSE, 2, "9 8; 1 2 | 0 1", NULL},
        {"more header than file", "a,b,k\n1,1,1\n", NULL, "3", NULL, NULL, 0, GF_MISSING_REFUSE, 7, "!no row of numbers", NULL},
        {"a column that is not there", "a,b\n1,2\n", "c", NULL, NULL, NULL, 0, GF_MISSING_REFUSE, 0, "!how.label names a column \"c\"", "from \"a\" to \"b\""},
        {"a column number that is not there", "a,b\n1,2\n", "-3", NULL, NULL, NULL, 0, GF_MISSING_REFUSE, 0, "!how.label", NULL},
        {"a column with two roles", "a,b\n1,2\n", "a", NULL, "a", NULL, 0, GF_MISSING_REFUSE, 0, "!another option", NULL},
        {"nothing left for the sample", "a,b\n1,2\n3,1\n", "b", NULL, "a", NULL, 0, GF_MISSING_REFUSE, 0, "!0 columns are left", NULL},
        {"one class in all", "1,2,0\n", NULL, NULL, NULL, NULL, 1, GF_MISSING_REFUSE, 0, "!classes is 1", NULL},
    };
    gf_dataset data, train;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        gf_csv how = csv_options(cases[i].label, cases[i].targets, cases[i].drop, cases[i].categories, cases[i].classes,
                                 cases[i].missing, cases[i].header);
        write_file("t.csv", cases[i].text, strlen(cases[i].text));
        gf_status status = gf_data_csv_as(&data, path, &how);
        check(cases[i].name, status, &data, cases[i].expected, cases[i].note);
    }
    TEST("a test set counts its classes as its training set does");
    write_file("t.csv", ABC, strlen(ABC));
    CHECK(gf_data_csv_as(&train, path, NULL) == GF_OK);
    gf_csv how = csv_options(NULL, NULL, NULL, NULL, 0, GF_MISSING_REFUSE, 0);
    how.like = &train;
    write_file("t.csv", "1,2,c\n3,4,a\n", 12);
    CHECK(gf_data_csv_as(&data, path, &how) == GF_OK && data.classes == 3);
    CHECK(data.labels[0] == 2 && data.labels[1] == 0 && strcmp(data.class_names[1], "b") == 0);
    gf_data_free(&data);
    write_file("t.csv", "1,2,c\n3,4,d\n", 12);
    CHECK(gf_data_csv_as(&data, path, &how) == GF_ERROR_FORMAT);
    CHECK_TEXT(gf_last_error(), "line 2, column 3: \"d\": is none of the classes");
    static const size_t counts[9] = {7, 1, 0, 0, 8, 2, 123, 0, 9};
    char text[400];
    CHECK(gf_data_confusion(&train, counts, text, sizeof text) == GF_OK);
    CHECK_TEXT(text, "              a             b             c           \na             7             1             0 ");
    CHECK_TEXT(text, "\nc             123           0             9           \n");
    CHECK(gf_data_confusion(&train, counts, text, 20) == GF_OK && strlen(text) == 19);  // cut off
    CHECK(gf_data_confusion(&train, NULL, text, 20) == GF_ERROR_ARGUMENT);
    CHECK(gf_data_confusion(&train, counts, NULL, 20) == GF_ERROR_ARGUMENT);
    gf_dataset half, rest;
    CHECK(gf_data_split(&train, 0.5, 1, &half, &rest) == GF_OK && strcmp(rest.class_names[2], "c") == 0);
    gf_data_free(&half), gf_data_free(&rest), gf_data_free(&train);
    CHECK(alloc_live == 0);
    TEST("every allocation of a table with words failing in turn");
    for (long fail = 0, status = -1; status != GF_OK && fail < 40; fail++) {
        write_file("t.csv", people, strlen(people));
        how = csv_options("ok", NULL, NULL, "*", 0, GF_MISSING_MEAN, 0);
        alloc_count = 0, alloc_fail_at = fail;
        status = gf_data_csv_as(&data, path, &how);
        alloc_fail_at = -1;
        if (status == GF_OK) gf_data_free(&data);
        CHECK((status == GF_OK || status == GF_ERROR_MEMORY) && alloc_live == 0);
        CHECK(status == GF_OK || fail < 39);
    }
}


// --- .npy ---

// Write an array as numpy.save does (or not), `bytes` long.
static void write_npy(const char *name, int version, const char *header, const void *bytes, size_t size) {
    unsigned char file[4096] = {0};
    const size_t start = version == 1 ? 10 : 12, length = strlen(header) + 1;
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (unsigned char)version;
    file[8] = (unsigned char)(length & 255), file[9] = (unsigned char)(length >> 8);
    memcpy(file + start, header, length - 1);
    file[start + length - 1] = '\n';
    memcpy(file + start + length, bytes, size);
    write_file(name, file, start + length + size);
}

static gf_status read_npy(gf_dataset *data, int classes) {
    char x[320], y[320];
    snprintf(x, sizeof x, "%s/x.npy", folder), snprintf(y, sizeof y, "%s/y.npy", folder);
    return gf_data_npy(data, x, y, classes);
}

#define HEADER(type, shape) "{'descr': '" type "', 'fortran_order': False, 'shape': (" shape "), }"

static void test_npy(void) {
    // the numbers 1, -2, 3, 4 as each type writes them
    static const struct {
        const char *name, *header, *bytes;
        size_t size;
        const char *expected;
    } types[] = {
        {"npy: float32", HEADER("<f4", "2, 2"), "\0\0\200\77\0\0\0\300\0\0\100\100\0\0\200\100", 16, "1 -2; 3 4 | 0 1"},
        {"npy: float32, highest byte first", HEADER(">f4", "2, 2"), "\77\200\0\0\300\0\0\0\100\100\0\0\100\200\0\0", 16, "1 -2; 3 4 | 0 1"},
        {"npy: float64", HEADER("<f8", "2, 1"), "\0\0\0\0\0\0\360\77\0\0\0\0\0\0\0\300", 16, "1; -2 | 0 1"},
        {"npy: int8", HEADER("|i1", "2, 2"), "\1\376\3\4", 4, "1 -2; 3 4 | 0 1"},
        {"npy: int16", HEADER("<i2", "2, 2"), "\1\0\376\377\3\0\4\0", 8, "1 -2; 3 4 | 0 1"},
        {"npy: int32, highest byte first", HEADER(">i4", "2,"), "\0\0\0\1\377\377\377\376", 8, "1; -2 | 0 1"},
        {"npy: int64", HEADER("<i8", "2,"), "\1\0\0\0\0\0\0\0\376\377\377\377\377\377\377\377", 16, "1; -2 | 0 1"},
        {"npy: uint16", HEADER("<u2", "2,"), "\1\0\376\377", 4, "1; 65534 | 0 1"},
        {"npy: uint8 in rows are numbers", HEADER("|u1", "2, 2"), "\1\376\3\4", 4, "1 254; 3 4 | 0 1"},
        {"npy: uint8 in images are pixels", HEADER("|u1", "2, 1, 2"), "\1\376\3\4", 4, "1 254; 3 4 | 0 1"},
        {"npy: bool", HEADER("|b1", "2, 2"), "\1\0\0\1", 4, "1 0; 0 1 | 0 1"},
        {"npy: one row in Fortran's order is a row", "{'descr': '|u1', 'fortran_order': True, 'shape': (2,), }", "\1\3", 2, "1; 3 | 0 1"},
        {"npy: NaN", HEADER("<f4", "2,"), "\0\0\200\77\0\0\300\177", 8, "!number 0 of sample 1 is not finite"},
        {"npy: Fortran's order", "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2), }", "\1\2\3\4", 4, "!numpy.ascontiguousarray"},
        {"npy: float16", HEADER("<f2", "2,"), "\1\2\3\4", 4, "!x.astype('float32')"},
        {"npy: complex", HEADER("<c8", "2,"), "\1\2\3\4\1\2\3\4\1\2\3\4\1\2\3\4", 16, "!x.astype('float32')"},
        {"npy: objects", HEADER("|O", "2,"), "\1\2", 2, "!Python objects"},
        {"npy: text", HEADER("<U1", "2,"), "\1\0\0\0\1\0\0\0", 8, "!numpy.unique"},
        {"npy: records", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "\1\2\3\4\1\2\3\4", 8, "!records"},
        {"npy: too short", HEADER("|u1", "2, 2"), "\1\2\3", 3, "!has not the length"},
        {"npy: too long", HEADER("|u1", "2,"), "\1\2\3", 3, "!has not the length"},
        {"npy: sides that overflow", HEADER("|u1", "2, 1073741823, 1073741823"), "\1\2", 2, "!has"},
        {"npy: a side of ten digits", HEADER("|u1", "2, 9999999999"), "\1\2", 2, "!beyond 2^30"},
        {"npy: no side", HEADER("|u1", ""), "\1", 1, "!single number"},
        {"npy: an empty array", HEADER("|u1", "0, 2"), "", 0, "!a side of 0"},
        {"npy: five sides", HEADER("|u1", "2, 1, 1, 1, 1"), "\1\2", 2, "!4 sides"},
        {"npy: channels last", HEADER("|u1", "2, 5, 1, 1"), "\1\2\3\4\5\6\7\10\11\12", 10, "!x.transpose(0, 3, 1, 2)"},
        {"npy: more samples than classes", HEADER("|u1", "3,"), "\1\2\3", 3, "![2,1,…]; expected [3]"},
        {"npy: no shape", "{'descr': '|u1', 'fortran_order': False}", "\1\2", 2, "!damaged"},
    };
    static const struct {
        const char *name, *header, *bytes;
        size_t size;
        int classes;
        const char *expected;
    } answers[] = {
        {"npy: classes in a column", HEADER("<i8", "2, 1"), "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, 2, "5; 6 | 1 0"},
        {"npy: one-hot classes", HEADER("|b1", "2, 3"), "\0\0\1\1\0\0", 6, 3, "5; 6 | 2 0"},
        {"npy: targets", HEADER("<f4", "2, 1"), "\0\0\200\77\0\0\0\300", 8, 0, "5; 6 | 1 -2"},
        {"npy: two targets", HEADER("|i1", "2, 2"), "\1\2\3\4", 4, 0, "5; 6 | 1 2 3 4"},
        {"npy: a class too large", HEADER("|u1", "2,"), "\1\2", 2, 2, "!sample 1 has 2; expected a whole number, classes 0 to 1"},
        {"npy: a negative class", HEADER("|i1", "2,"), "\1\377", 2, 2, "!sample 1 has -1"},
        {"npy: half a class", HEADER("<f4", "2,"), "\0\0\200\77\0\0\0\77", 8, 2, "!sample 1 has 0.5"},
        {"npy: not one-hot", HEADER("|u1", "2, 3"), "\0\0\1\1\1\0", 6, 3, "!a single 1"},
        {"npy: no one in a row", HEADER("|u1", "2, 3"), "\0\0\1\0\0\0", 6, 3, "!a single 1"},
        {"npy: one-hot of other classes", HEADER("|u1", "2, 3"), "\0\0\1\0\1\0", 6, 2, "!expected [2] or [2,classes]"},
        {"npy: an infinite target", HEADER("<f4", "2,"), "\0\0\200\77\0\0\200\177", 8, 0, "!sample 1 has inf"},
    };
    gf_dataset data;
    write_npy("y.npy", 1, HEADER("|u1", "2,"), "\0\1", 2);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        write_npy("x.npy", 1 + (int)(i % 3), types[i].header, types[i].bytes, types[i].size);
        gf_status status = read_npy(&data, 2);
        check(types[i].name, status, &data, types[i].expected, NULL);
    }
    write_npy("x.npy", 1, HEADER("|u1", "2,"), "\5\6", 2);
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        write_npy("y.npy", 1, answers[i].header, answers[i].bytes, answers[i].size);
        gf_status status = read_npy(&data, answers[i].classes);
        check(answers[i].name, status, &data, answers[i].expected, NULL);
    }
    write_npy("y.npy", 1, HEADER("|u1", "2,"), "\0\1", 2);
    write_file("x.npy", "PK\3\4", 4);
    check("npy: an archive", read_npy(&data, 2), &data, "!unzip", "x.npy");
    write_file("x.npy", "1,2,3\n", 6);
    check("npy: a table", read_npy(&data, 2), &data, "!is no .npy file", NULL);
    write_file("x.npy", "\x93NUMPY\1\0\xFF\xFF{'descr': '|u1'", 26);
    check("npy: a header beyond the file", read_npy(&data, 2), &data, "!damaged", NULL);
    TEST("npy: images, every allocation failing, wrong arguments");
    write_npy("x.npy", 1, HEADER("|u1", "2, 3, 1, 2"), "\1\2\3\4\5\6\7\10\11\12\13\14", 12);
    CHECK(read_npy(&data, 2) == GF_OK && data.shape.channels == 3 && data.shape.height == 1 && data.shape.width == 2);
    CHECK(data.pixels && data.pixels[11] == 12);
    gf_data_free(&data);
    for (long fail = 0; fail < 4; fail++) {
        alloc_count = 0, alloc_fail_at = fail;
        CHECK(read_npy(&data, 2) == GF_ERROR_MEMORY && alloc_live == 0);
    }
    alloc_fail_at = -1;
    CHECK(gf_data_npy(&data, NULL, "y", 2) == GF_ERROR_ARGUMENT && gf_data_npy(&data, "x", NULL, 2) == GF_ERROR_ARGUMENT);
    CHECK(gf_data_npy(NULL, "x", "y", 2) == GF_ERROR_ARGUMENT && read_npy(&data, 1) == GF_ERROR_ARGUMENT);
    remove(path);
    snprintf(path, sizeof path, "%s/x.npy", folder), remove(path);
    snprintf(path, sizeof path, "%s/y.npy", folder), remove(path);
}

// --- folders of MNIST and CIFAR-10 as they are found ---

static void test_folders(void) {
    static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 9, 8, 7, 6};
    static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 1, 0}, letters[] = {0, 0, 8, 1, 0, 0, 0, 2, 1, 2};
    static unsigned char record[3073];
    static const struct {
        const char *name, *folders[2], *images, *labels;  // expected: NULL for a set of two
        const char *expected;
    } mnist[] = {
        {"mnist: usual names", {NULL, NULL}, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", NULL},
        {"mnist: names with a dot", {NULL, NULL}, "train-images.idx3-ubyte", "train-labels.idx1-ubyte", NULL},
        {"mnist: torchvision's folder", {"MNIST", "MNIST/raw"}, "MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-labels-idx1-ubyte", NULL},
        {"mnist: files in folders of their names", {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
         "train-images-idx3-ubyte/train-images-idx3-ubyte", "train-labels-idx1-ubyte/train-labels-idx1-ubyte", NULL},
        {"mnist: packed", {NULL, NULL}, "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "run gunzip"},
        {"mnist: Keras' archive", {NULL, NULL}, "mnist.npz", "other", "unzip it, then gf_data_npy"},
        {"mnist: Kaggle's table", {NULL, NULL}, "train.csv", "test.csv", "gf_data_csv"},
        {"mnist: EMNIST", {NULL, NULL}, "emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte", "gf_data_idx"},
        {"mnist: nothing", {NULL, NULL}, "other", "another", "run ./data_fetch.sh mnist"},
    };
    static const struct {
        const char *name, *folder, *file, *expected;
    } cifar[] = {
        {"cifar10: the folder above", "cifar-10-batches-bin", "cifar-10-batches-bin/test_batch.bin", NULL},
        {"cifar10: the Python version", NULL, "data_batch_1", "Python version"},
        {"cifar10: CIFAR-100", NULL, "train.bin", "is CIFAR-100"},
        {"cifar10: the archive", NULL, "cifar-10-binary.tar.gz", "tar xzf"},
        {"cifar10: nothing", NULL, "other", "run ./data_fetch.sh cifar10"},
    };
    gf_dataset data;
    char name[700];
    for (size_t i = 0; i < COUNT_OF(mnist); i++) {
        for (int f = 0; f < 2 && mnist[i].folders[f]; f++)
            snprintf(name, sizeof name, "%s/%s", folder, mnist[i].folders[f]), mkdir(name, 0700);
        write_file(mnist[i].images, images, sizeof images);
        write_file(mnist[i].labels, labels, sizeof labels);
        TEST(mnist[i].name);
        gf_status status = gf_data_mnist(&data, folder, 0);
        CHECK((status == GF_OK) == (mnist[i].expected == NULL));
        if (status == GF_OK) CHECK(data.count == 2 && data.pixels[3] == 6 && data.labels[0] == 1 && data.classes == 10);
        else CHECK_TEXT(gf_last_error(), mnist[i].expected);
        gf_data_free(&data);
        remove(path);
        snprintf(path, sizeof path, "%s/%s", folder, mnist[i].images), remove(path);
        for (int f = 1; f >= 0; f--)
            if (mnist[i].folders[f]) snprintf(name, sizeof name, "%s/%s", folder, mnist[i].folders[f]), rmdir(name);
    }
    TEST("idx: letters that count from 1");
    write_file("images", images, sizeof images), write_file("labels", letters, sizeof letters);
    snprintf(name, sizeof name, "%s/images", folder);
    CHECK(gf_data_idx(&data, name, path) == GF_OK && data.classes == 3);
    CHECK_TEXT(data.notes, "no label is 0");
    gf_data_free(&data);
    remove(path), remove(name);
    for (size_t i = 0; i < COUNT_OF(cifar); i++) {
        if (cifar[i].folder) snprintf(name, sizeof name, "%s/%s", folder, cifar[i].folder), mkdir(name, 0700);
        write_file(cifar[i].file, record, sizeof record);
        TEST(cifar[i].name);
        gf_status status = gf_data_cifar10(&data, folder, 1);
        CHECK((status == GF_OK) == (cifar[i].expected == NULL));
        if (status != GF_OK) CHECK_TEXT(gf_last_error(), cifar[i].expected);
        gf_data_free(&data);
        remove(path);
        if (cifar[i].folder) rmdir(name);
    }
}

// --- sets to draw a boundary in: means and mean squares of each class, by integrals ---

static void test_drawn_sets(void) {
    enum { COUNT = 60000 };
    gf_dataset data;
    const double pi = 3.14159265358979323846, s = 0.1, tolerance = 0.012;
    struct {
        const char *name;
        int classes;
        double mean[3][2], square;  // E x, E y of each class; E x² + E y² of class 1
    } sets[4] = {{"drawn: circles", 2, {{0, 0}, {0, 0}, {0, 0}}, 0.25 + 2 * s * s},
                 {"drawn: moons", 2, {{0, 2 / pi}, {1, 0.5 - 2 / pi}, {0, 0}}, 2.25 - 2 / pi + 2 * s * s},
                 {"drawn: spirals", 3, {{0, 0}, {0, 0}, {0, 0}}, 1.0 / 3 + 2 * s * s},
                 {"drawn: blobs", 3, {{1, 0}, {-0.5, sqrt(0.75)}, {-0.5, -sqrt(0.75)}}, 1 + 2 * s * s}};
    // ∫ u·e^{4iu} du over 0..1 = e^{4i}·(1/(4i) + 1/16) - 1/16, turned by 2πk/3
    const double re = sin(4.0) / 4 + (cos(4.0) - 1) / 16, im = -cos(4.0) / 4 + sin(4.0) / 16;
    for (int k = 0; k < 3; k++) {
        sets[2].mean[k][0] = re * cos(2 * pi * k / 3) - im * sin(2 * pi * k / 3);
        sets[2].mean[k][1] = re * sin(2 * pi * k / 3) + im * cos(2 * pi * k / 3);
    }
    for (int set = 0; set < 4; set++) {
        double sum[3][3] = {{0}};
        TEST(sets[set].name);
        gf_status status = set == 0   ? gf_data_circles(&data, COUNT, s, 7)
                           : set == 1 ? gf_data_moons(&data, COUNT, s, 7)
                           : set == 2 ? gf_data_spirals(&data, COUNT, 3, s, 7)
                                      : gf_data_blobs(&data, COUNT, 3, s, 7);
        CHECK(status == GF_OK && data.count == COUNT && data.classes == sets[set].classes && data.synthetic);
        CHECK((data.targets != NULL) == (data.classes == 2));
        for (int i = 0; i < COUNT && status == GF_OK; i++) {
            const double a = (double)data.values[2 * i], b = (double)data.values[2 * i + 1];
            const int k = data.labels[i];
            CHECK(k == i % data.classes && (!data.targets || (double)data.targets[i] == k));
            sum[k][0] += a, sum[k][1] += b, sum[k][2] += a * a + b * b;
        }
        for (int k = 0; k < data.classes; k++)
            for (int d = 0; d < 2; d++)
                CHECK_NEAR(sum[k][d] * data.classes / COUNT, sets[set].mean[k][d], tolerance);
        CHECK_NEAR(sum[1][2] * data.classes / COUNT, sets[set].square, 2 * tolerance);
        gf_data_free(&data);
    }
    TEST("drawn: the seed and nothing else decides; wrong arguments");
    gf_dataset longer;
    CHECK(gf_data_spirals(&data, 10, 2, 0.1, 3) == GF_OK && gf_data_spirals(&longer, 20, 2, 0.1, 3) == GF_OK);
    CHECK(!memcmp(data.values, longer.values, 20 * sizeof *data.values));
    gf_data_free(&data), gf_data_free(&longer);
    CHECK(gf_data_circles(&data, 10, -1, 3) == GF_ERROR_ARGUMENT && gf_data_moons(&data, 10, NAN, 3) == GF_ERROR_ARGUMENT);
    CHECK(gf_data_blobs(&data, 10, 1, 0.1, 3) == GF_ERROR_ARGUMENT);
    CHECK_TEXT(gf_last_error(), "classes is 1");
    CHECK(gf_data_spirals(&data, 0, 2, 0.1, 3) == GF_ERROR_ARGUMENT && gf_data_blobs(NULL, 9, 2, 0.1, 3) == GF_ERROR_ARGUMENT);
    CHECK(alloc_live == 0);
}

int main(void) {
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/gradflow_files_XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(folder)) return 1;
    test_tables();
    test_options();
    test_npy();
    test_folders();
    test_drawn_sets();
    snprintf(path, sizeof path, "%s/t.csv", folder);
    remove(path);
    CHECK(rmdir(folder) == 0);
    return test_report();
}
