# installed.awk: the list of installed libraries in the two forms that Composer leaves in vendor/composer.
#
# Input: a tree's packages file, tab-separated: name, version as released, version in four parts, folder.
# Needs: -v form=json for installed.json,
#        -v form=php -v root_name=NAME for installed.php, in which $libraries is the tree's folder.

BEGIN {
    FS = "\t"
    if (form == "json") {
        print "{"
        print "    \"packages\": ["
    } else {
        print "    'root' => ["
        print "        'name' => '" root_name "',"
        print "        'pretty_version' => 'dev-main',"
        print "        'version' => 'dev-main',"
        print "        'reference' => null,"
        print "        'type' => 'project',"
        print "        'install_path' => dirname(__DIR__, 2).'/',"
        print "        'aliases' => [],"
        print "        'dev' => false,"
        print "    ],"
        print "    'versions' => ["
    }
}

form == "json" {
    if (NR > 1) print "        },"
    print "        {"
    print "            \"name\": \"" $1 "\","
    print "            \"version\": \"" $2 "\","
    print "            \"version_normalized\": \"" $3 "\""
}

form == "php" {
    print "        '" $1 "' => ["
    print "            'pretty_version' => '" $2 "',"
    print "            'version' => '" $3 "',"
    print "            'reference' => null,"
    print "            'type' => '" ($1 ~ /-bundle$/ ? "symfony-bundle" : "library") "',"
    print "            'install_path' => $libraries.'/" $4 "',"
    print "            'aliases' => [],"
    print "            'dev_requirement' => false,"
    print "        ],"
}

END {
    if (form == "json") {
        if (NR > 0) print "        }"
        print "    ],"
        print "    \"dev\": false,"
        print "    \"dev-package-names\": []"
        print "}"
    } else {
        print "    ],"
    }
}
